"""A gRPC-Web client over HTTP/1.1, from the description of the protocol and nothing but Python's own HTTP.

Usage: web.py HOST:PORT USERNAME PASSWORD FOREIGN_ORDER proto|text
"""

import base64
import http.client
import struct
import sys
import urllib.parse

from google.protobuf import descriptor_pool, message_factory

import sale  # It imports the stubs, which register their services: from them the types of the answers are known.

CODES = (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
    "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS "
    "UNAUTHENTICATED"
).split()
TRAILERS = 0x80


def frames(body):
    """Flag and payload of each frame: a byte, four bytes of length, the payload."""
    at = 0
    while at < len(body):
        flag, length = struct.unpack_from(">BI", body, at)
        payload = body[at + 5 : at + 5 + length]
        sale.equal(len(payload), length, "the length of a frame")
        yield flag, payload
        at += 5 + length


def decode_text(body):
    """Base64 whose parts may each be padded, since a server encodes what it has."""
    decoded = b""
    for start in range(0, len(body), 4):
        decoded += base64.b64decode(body[start : start + 4], validate=True)
    return decoded


class Client:
    def __init__(self, address, form):
        self.connection = http.client.HTTPConnection(address, timeout=60)
        self.content_type = {"proto": "application/grpc-web+proto", "text": "application/grpc-web-text"}[form]
        self.is_text = form == "text"
        self.trailers_frames = 0

    def call(self, service, method, request, token=None, cookie=None):
        message = request.SerializeToString()
        body = struct.pack(">BI", 0, len(message)) + message
        headers = {"content-type": self.content_type, "accept": self.content_type, "x-grpc-web": "1"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        if cookie:
            headers["cookie"] = cookie
        self.connection.request("POST", f"/{service}/{method}", base64.b64encode(body) if self.is_text else body, headers)
        response = self.connection.getresponse()
        received = response.read()
        sale.equal((response.status, response.version), (200, 11), "status and version of HTTP")
        content_type = response.headers["content-type"]
        if not content_type.startswith(self.content_type):
            raise AssertionError(f"asked in {self.content_type}, answered in {content_type}")

        fields = {name.lower(): value for name, value in response.headers.items()}
        answer = None
        for flag, payload in frames(decode_text(received) if self.is_text else received):
            if flag & TRAILERS:
                self.trailers_frames += 1
                lines = payload.decode("ascii").split("\r\n")
                pairs = (line.split(":", 1) for line in lines if line)
                fields |= {name.strip().lower(): value.strip() for name, value in pairs}
            else:
                sale.equal((flag, answer), (0, None), "flag and predecessor of the message")
                answer = payload
        # An error without a message may have its status among the headers.
        code = CODES[int(fields["grpc-status"])]
        if code != "OK":
            sale.equal(answer, None, "the message that comes with an error")
            message = urllib.parse.unquote(fields.get("grpc-message", ""))
            raise sale.Refused(code, fields.get("error-code"), message)
        descriptor = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(method)
        return message_factory.GetMessageClass(descriptor.output_type).FromString(answer), fields


address, username, password, foreign_order, form = sys.argv[1:]
client = Client(address, form)
sale.run(client, username, password, foreign_order)
sale.equal(client.trailers_frames > 0, True, "whether trailers came as a frame")
print("ok")
