"""A gRPC client on grpcio, with stubs that grpcio-tools made of our files.

Usage: client.py HOST:PORT USERNAME PASSWORD FOREIGN_ORDER
"""

import sys

import grpc

import identity_pb2_grpc
import order_pb2_grpc
import product_pb2_grpc
import sale


class Client:
    def __init__(self, address):
        channel = grpc.insecure_channel(address)
        self.stubs = {
            "rustbill.identity.IdentityService": identity_pb2_grpc.IdentityServiceStub(channel),
            "rustbill.order.OrderService": order_pb2_grpc.OrderServiceStub(channel),
            "rustbill.product.ProductService": product_pb2_grpc.ProductServiceStub(channel),
        }

    def call(self, service, method, request, token=None, cookie=None):
        metadata = []
        if token:
            metadata.append(("authorization", f"Bearer {token}"))
        if cookie:
            metadata.append(("cookie", cookie))
        try:
            answer, call = getattr(self.stubs[service], method).with_call(request, metadata=metadata, timeout=60)
        except grpc.RpcError as error:
            # A refusal has no message: its metadata comes with the headers or with the trailers.
            fields = dict(error.initial_metadata() or ()) | dict(error.trailing_metadata() or ())
            raise sale.Refused(error.code().name, fields.get("error-code"), error.details()) from error
        return answer, dict(call.initial_metadata())


address, username, password, foreign_order = sys.argv[1:]
sale.run(Client(address), username, password, foreign_order)
print("ok")
