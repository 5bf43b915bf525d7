"""Functions as child processes of this machine, behind the gateway: no account, no root, no Docker."""
