"""Tells people that a long run has ended: by e-mail, by a webhook, or by what other plugins bring."""
