"""What a mapper in Python needs: accounts and lines. Amounts are whole minor units in integers, exact at any size."""

from wit_world.imports.types import BatchContext, CatalogEntry, JournalLine, Ledger, Money, Reason


class Review(Exception):
    """Why a person has to look."""

    def __init__(self, code, subject, message):
        super().__init__(message)
        self.reason = Reason(code=code, message=message, subject=subject, extra=[])


def negated(amount: Money) -> Money:
    """The opposite of an amount."""
    return Money(minor=-amount.minor, currency=amount.currency)


def combination(ledger: Ledger, account: str, cost_center: str) -> str:
    """The whole combination for a natural account and a cost centre."""
    return ledger.combination.replace("{account}", account).replace("{cost_center}", cost_center)


def account_of(context: BatchContext, purpose: str) -> str:
    """The whole combination for the ledger's account of a purpose."""
    for name, account in context.ledger.accounts:
        if name == purpose:
            return combination(context.ledger, account, context.ledger.default_cost_center)
    raise Review("no-account", purpose, f"the seller's ledger names no account for `{purpose}`")


def product(context: BatchContext, sku: str, marketplace: str) -> CatalogEntry:
    """The catalog's entry for a product."""
    for entry in context.catalog:
        if entry.sku == sku and entry.marketplace == marketplace:
            return entry
    raise Review("unmapped-sku", sku, "the catalog does not name it")


def collect(things, line):
    """Makes a line of each thing: all lines that are not zero, and every distinct reason why there is none."""
    lines, reasons = [], []
    for thing in things:
        try:
            made = line(thing)
        except Review as review:
            if review.reason not in reasons:
                reasons.append(review.reason)
        else:
            if made.amount.minor != 0:
                lines.append(made)
    return lines, reasons


def journal_line(context: BatchContext, purpose: str, label: str, amount: Money) -> JournalLine:
    """A line of a settlement's journal."""
    account = account_of(context, purpose)
    return JournalLine(account=account, amount=amount, label=label, rule=f"ledger.accounts.{purpose}", extra=[])
