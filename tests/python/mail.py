"""A real mail server (aiosmtpd) for tests/it/email.rs.

usage: mail.py MODE PORT CERTIFICATE KEY -- MODE is none, starttls or ssl; port 0 takes a free one.

Wants the login shop / hunter2. Prints one JSON line when it listens, with the port, and then one for each mail that it
took, as Python's own email module reads it.
"""

import asyncio
import email
import email.policy
import json
import logging
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def say(thing):
    print(json.dumps(thing), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return f"550 5.1.1 <{address}> there is nobody of that name"
        if address.startswith("later@"):
            return f"451 4.3.2 <{address}> come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
        say({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "encrypted": server.transport.get_extra_info("sslcontext") is not None,
            "login": session.authenticated,
            "hello": session.host_name,
            "headers": [[name, str(value)] for name, value in mail.items()],
            "type": mail.get_content_type(),
            "parts": [part.get_content_type() for part in mail.walk()],
            "attachments": len(list(mail.iter_attachments())) if mail.get_content_type() == "multipart/mixed" else 0,
            "defects": [str(defect) for part in mail.walk() for defect in part.defects],
            "plain": plain.get_content() if plain else None,
            "html": html.get_content() if html else None,
            "longest_line": max(map(len, envelope.content.split(b"\r\n"))),
            "ascii": envelope.content.isascii(),
        })
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"shop", b"hunter2")
    return AuthResult(success=good, handled=good)


async def main(mode, port, certificate, key):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    def session():
        return SMTP(
            Handler(),
            hostname="mail.test",
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=mode == "starttls",
            tls_context=context if mode == "starttls" else None,
            require_starttls=mode == "starttls",
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", int(port), ssl=context if mode == "ssl" else None)
    say({"port": server.sockets[0].getsockname()[1]})
    await server.serve_forever()


# Clients that break off are what the tests are about.
logging.disable(logging.CRITICAL)
asyncio.run(main(*sys.argv[1:]))
