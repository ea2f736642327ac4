"""Natively; the bindings say what the contract's records are. The component's bytes are compared with the mapper in
Rust's by the host's tests."""

import unittest

from mapper import map_order, map_transaction
from wit_world.imports.types import (
    BatchContext,
    CatalogEntry,
    Charge,
    Ledger,
    Leg,
    Money,
    Order,
    OrderItem,
    OrderOutcome_Invoice,
    OrderOutcome_Review,
    Transaction,
    TransactionOutcome_Booking,
)

# Beyond what a floating-point number holds.
LARGE = 2**53 + 1


def usd(minor):
    return Money(minor=minor, currency="USD")


def context():
    ledger = Ledger(
        name="L",
        currency="USD",
        time_zone="America/Los_Angeles",
        combination="01-{cost_center}-{account}",
        default_cost_center="000",
        accounts=[("settlement", "2"), ("clearing", "3")],
        extra=[],
    )
    mug = CatalogEntry(
        sku="MUG",
        marketplace="US",
        revenue_account="41000",
        cogs_account=None,
        cost_center="110",
        rule="catalog.csv:2",
        extra=[],
    )
    return BatchContext(seller="A1", settings=[], ledger=ledger, catalog=[mug], extra=[])


def order(sku, minor):
    item = OrderItem(
        id="01",
        sku=sku,
        title="A mug",
        quantity_ordered=1,
        quantity_fulfilled=1,
        charges=[Charge(kind="ITEM", amount=usd(minor), extra=[])],
        tax_collection="",
        extra=[],
    )
    return Order(
        id="113-0000001-0000001",
        marketplace="US",
        status="SHIPPED",
        fulfilled_by="AMAZON",
        created=0,
        updated=0,
        shipped_on="2026-09-01",
        replaces=None,
        total=usd(minor),
        items=[item],
        extra=[],
    )


def fee(minor):
    leg = Leg(path="AmazonFees/Commission", amount=usd(minor), sku=None, order_item_id=None, extra=[])
    return Transaction(
        id="T1",
        kind="ServiceFee",
        description="",
        posted=0,
        group="G1",
        order_id=None,
        marketplace="US",
        total=usd(minor),
        legs=[leg],
        extra=[],
    )


class Mapping(unittest.TestCase):
    def test_a_shipped_order_is_invoiced_in_full(self):
        outcome = map_order(context(), order("MUG", LARGE))
        self.assertIsInstance(outcome, OrderOutcome_Invoice)
        (line,) = outcome.value.lines
        self.assertEqual((line.amount, line.account), (usd(LARGE), "01-110-41000"))

    def test_what_the_catalog_does_not_name_goes_to_review(self):
        outcome = map_order(context(), order("LAMP", 1_999))
        self.assertIsInstance(outcome, OrderOutcome_Review)
        self.assertEqual([(reason.code, reason.subject) for reason in outcome.value], [("unmapped-sku", "LAMP")])

    def test_a_transaction_balances(self):
        outcome = map_transaction(context(), fee(-LARGE))
        self.assertIsInstance(outcome, TransactionOutcome_Booking)
        self.assertEqual(sum(line.amount.minor for line in outcome.value.journal), 0)


if __name__ == "__main__":
    unittest.main()
