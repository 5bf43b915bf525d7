"""OpenFaaS as a platform: functions as images behind of-watchdog, on a gateway of the user's own."""
