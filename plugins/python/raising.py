"""A mapper that raises on every order: the host's tests look at what an operator sees of that."""

from kit import each
from mapper import WitWorld as Minimal


class WitWorld(Minimal):
    def map_orders(self, context, orders):
        return each(context, orders, map_order)


def map_order(context, order):
    raise ValueError(f"no rule for {order.status} é")
