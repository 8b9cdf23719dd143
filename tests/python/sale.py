"""What both clients do: a customer buys a server, an administrator looks on, and strangers are turned away.

A client has one method, `call(service, method, request, token=None, cookie=None)`. It returns the answer and the headers
of the response, or raises `Refused`.
"""

import time

import common_pb2
import identity_pb2
import order_pb2
import product_pb2

PATIENCE_SECONDS = 90


class Refused(Exception):
    """An error of the server."""

    def __init__(self, code, word, message):
        super().__init__(f"{code} {word}: {message}")
        self.code, self.word, self.message = code, word, message


def equal(found, expected, what):
    if found != expected:
        raise AssertionError(f"{what} is {found!r}, expected {expected!r}")


def refused(code, word, what, call):
    try:
        call()
    except Refused as error:
        equal((error.code, error.word), (code, word), what)
        if not error.message:
            raise AssertionError(f"{what}: no message")
        return
    raise AssertionError(f"{what} was not refused")


def login(client, username, password, user_type):
    request = identity_pb2.LoginRequest(username=username, password=password, user_type=user_type)
    return client.call("rustbill.identity.IdentityService", "Login", request)


def run(client, username, password, foreign_order):
    orders, products = "rustbill.order.OrderService", "rustbill.product.ProductService"

    refused("INVALID_ARGUMENT", "login.failed", "a wrong password", lambda: login(client, username, "wrong", "customer"))
    refused("INVALID_ARGUMENT", "login.failed", "an unknown name", lambda: login(client, "nobody", password, "customer"))
    answer, headers = login(client, username, password, "customer")
    token, customer = answer.access_token, answer.user.customer_id
    equal((bool(token), "set-cookie" in headers), (True, False), "a customer's login has (token, cookie) and")

    refused("UNAUTHENTICATED", "auth.required", "a stranger's list of orders",
            lambda: client.call(orders, "ListOrders", order_pb2.ListOrdersRequest()))
    refused("PERMISSION_DENIED", "permission.foreign", "another customer's order",
            lambda: client.call(orders, "GetOrder", order_pb2.GetOrderRequest(id=foreign_order), token=token))
    refused("INVALID_ARGUMENT", "id.malformed", "a malformed id",
            lambda: client.call(orders, "GetOrder", order_pb2.GetOrderRequest(id="7"), token=token))

    page = common_pb2.PageRequest(page=1, page_size=10)
    listed, _ = client.call(products, "ListProducts", product_pb2.ListProductsRequest(pagination=page))
    equal((len(listed.products), listed.meta.total, listed.meta.page_size), (1, 1, 10), "the list of products")
    product = listed.products[0]
    equal((product.price_per_month, product.billing_cycles["yearly"]), ("29.00", "290.00"), "the price")

    request = order_pb2.CreateOrderRequest(product_id=product.id, billing_cycle="monthly", currency="CNY")
    made, _ = client.call(orders, "CreateOrder", request, token=token)
    order = made.order
    equal((order.status, order.amount, order.customer_id), ("pending", "29.00", customer), "the new order")
    equal(made.HasField("payment"), False, "whether an order without gateway has a payment")

    pay = order_pb2.PayOrderRequest(order_id=order.id)
    paid, _ = client.call(orders, "PayOrder", pay, token=token)
    equal(bool(paid.payment.payment_id), True, "whether there is a payment")
    refused("INVALID_ARGUMENT", "order.wrong_state", "paying twice",
            lambda: client.call(orders, "PayOrder", pay, token=token))

    end = time.monotonic() + PATIENCE_SECONDS
    while order.status != "active":
        if time.monotonic() > end:
            raise AssertionError(f"the order is still {order.status}")
        time.sleep(0.02)
        order = client.call(orders, "GetOrder", order_pb2.GetOrderRequest(id=order.id), token=token)[0].order
    equal(bool(order.provider_instance_id), True, "whether the order has a server")

    refused("INVALID_ARGUMENT", "login.failed", "a customer as administrator",
            lambda: login(client, username, password, "admin"))
    answer, headers = login(client, "admin", password, "admin")
    equal(answer.access_token, "", "an administrator's access token")
    cookie = headers["set-cookie"].split(";")[0]
    found, _ = client.call(orders, "ListOrders", order_pb2.ListOrdersRequest(), cookie=cookie)
    equal({order.id, foreign_order}, {order.id for order in found.orders}, "the administrator's list of orders")
    refused("UNAUTHENTICATED", "auth.required", "a made-up session",
            lambda: client.call(orders, "ListOrders", order_pb2.ListOrdersRequest(), cookie="rustbill_session=x"))
    client.call("rustbill.identity.IdentityService", "Logout", identity_pb2.LogoutRequest(), cookie=cookie)
    refused("UNAUTHENTICATED", "auth.required", "a session that ended",
            lambda: client.call(orders, "ListOrders", order_pb2.ListOrdersRequest(), cookie=cookie))
