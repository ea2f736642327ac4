"""The smallest mapper that posts something, in Python: every charge to the product's revenue, every leg to clearing.

It maps what `plugins/minimal` maps, to the same bytes.
"""

from kit import collect, combination, each, journal_line, negated, product
from wit_world import WitWorld as Contract
from wit_world.imports.types import (
    Booking,
    Description,
    DocumentLine,
    Invoice,
    OrderOutcome_Invoice,
    OrderOutcome_Review,
    OrderOutcome_Skip,
    TransactionOutcome_Booking,
    TransactionOutcome_Review,
)


class WitWorld(Contract):
    def describe(self):
        return Description(name="minimal-python", version="0.1.0", settings=[], extra=[])

    def map_orders(self, context, orders):
        return each(context, orders, map_order)

    def map_transactions(self, context, transactions):
        return each(context, transactions, map_transaction)


def map_order(context, order):
    if order.status != "SHIPPED":
        return OrderOutcome_Skip("it has not shipped")

    def line(charged):
        item, charge = charged
        entry = product(context, item.sku, order.marketplace)
        return DocumentLine(
            description=f"{charge.kind} {item.sku}",
            amount=charge.amount,
            quantity=item.quantity_fulfilled,
            account=combination(context.ledger, entry.revenue_account, entry.cost_center),
            sku=item.sku,
            order_item_id=item.id,
            rule=entry.rule,
            extra=[],
        )

    lines, reasons = collect([(item, charge) for item in order.items for charge in item.charges], line)
    return OrderOutcome_Review(reasons) if reasons else OrderOutcome_Invoice(Invoice(lines=lines, extra=[]))


def map_transaction(context, transaction):
    def line(leg):
        return journal_line(context, "clearing", "everything", negated(leg.amount))

    def settle(total):
        return journal_line(context, "settlement", "Settlement", total)

    lines, reasons = collect([leg for leg in transaction.legs if leg.amount.minor != 0], line)
    settled, more = collect([transaction.total], settle)
    if reasons or more:
        return TransactionOutcome_Review(reasons + more)
    return TransactionOutcome_Booking(Booking(journal=lines + settled, credit_memo=None, extra=[]))
