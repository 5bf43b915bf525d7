"""E-mail over SMTP: the connection is encrypted before anybody signs in, and never silently left in the clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.settings import setting
from sebsx_notify.notifiers import Notifier

if TYPE_CHECKING:
    import smtplib
    import ssl

    from sebsx_notify.notifiers import Ended

STARTTLS, TLS, NONE = "starttls", "tls", "none"


@dataclass(frozen=True)
class MailSettings:
    """Which server, as whom, to whom, and after how long a run."""

    to: tuple[str, ...] = setting((), help="addresses that get the e-mail; default: none is sent")
    sender: str = setting("", help="address it comes from; default: the first that gets it")
    host: str = setting("localhost", help="mail server (SMTP)")
    port: int = setting(587, help="its port", minimum=1, maximum=65535)
    security: str = setting(
        STARTTLS, help="how the connection is encrypted; none only without a password", choices=(STARTTLS, TLS, NONE)
    )
    ca_file: str = setting("", help="certificates that are trusted; default: those of the machine", metavar="FILE")
    user: str = setting("", help="name to sign in with; default: without signing in")
    password: str = setting("", help="password to sign in with", secret=True)
    after_s: float = setting(600.0, help="shorter runs send nothing", minimum=0)
    timeout_s: float = setting(20.0, help="time within which it must be sent", minimum=0.1, maximum=300)

    def __post_init__(self) -> None:
        if self.password and self.security == NONE:
            raise ValueError("`password` is not sent over a connection in the clear; set `security` to starttls or tls")
        if self.password and not self.user:
            raise ValueError("`password` needs the `user` who signs in with it")
        for address in (*self.to, self.sender):
            if any(mark in address for mark in "\r\n"):
                raise ValueError("an address is one line")


class Mail(Notifier):
    """One e-mail for each run."""

    name = "mail"
    summary = "an e-mail over SMTP with STARTTLS when a long run has ended"
    Settings: ClassVar[type[Any]] = MailSettings
    settings: MailSettings

    @property
    def is_set_up(self) -> bool:
        """Whether anybody is told."""
        return bool(self.settings.to)

    def tell(self, ended: Ended) -> None:
        """Send it.

        Raises:
            OSError: If the server cannot be reached, does not encrypt, or refuses (`smtplib.SMTPException` is one).
        """
        import email.message  # neither is needed where nobody is told
        import email.utils

        settings = self.settings
        message = email.message.EmailMessage()
        message["Subject"] = ended.subject
        message["From"] = settings.sender or settings.to[0]
        message["To"] = ", ".join(settings.to)
        message["Date"] = email.utils.localtime()
        message["Message-ID"] = email.utils.make_msgid(domain="sebsx.invalid")
        message.set_content(ended.text + "\n")
        with self._connected() as server:
            if settings.user:
                server.login(settings.user, settings.password)
            server.send_message(message)

    def _connected(self) -> smtplib.SMTP:
        import smtplib

        settings = self.settings
        if settings.security == TLS:
            return smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.timeout_s, context=self._trust())
        server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_s)
        if settings.security == STARTTLS:
            try:
                server.starttls(context=self._trust())
            except BaseException:
                server.close()
                raise
        return server

    def _trust(self) -> ssl.SSLContext:
        import ssl

        return ssl.create_default_context(cafile=self.settings.ca_file or None)
