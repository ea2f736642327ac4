"""What a mapper in Python needs: accounts and lines. Amounts are whole minor units in integers, exact at any size."""

from wit_world.imports import log
from wit_world.imports.types import BatchContext, CatalogEntry, JournalLine, Ledger, Money, Reason


class Review(Exception):
    """Why a person has to look."""

    def __init__(self, code, subject, message):
        super().__init__(message)
        self.reason = Reason(code=code, message=message, subject=subject, extra=[])


def each(context, records, mapping):
    """One outcome for each record. What a mapping raises is logged with its place, so that the operator sees more than that
    the mapper failed."""
    try:
        return [mapping(context, record) for record in records]
    except Exception as error:
        place = error.__traceback__
        while place.tb_next:
            place = place.tb_next
        code = place.tb_frame.f_code
        where = f"{code.co_filename.rsplit('/', 1)[-1]}:{place.tb_lineno}"
        log.write(log.Level.ERROR, f"{type(error).__name__}: {error} ({where}, in {code.co_name})")
        raise


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
