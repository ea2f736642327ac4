// What a mapper in JavaScript needs: money that loses no digit, accounts, lines.
//
// An amount comes as a JavaScript number of minor units. Numbers are exact up to 2^53 - 1 (90 trillion in cents); whatever
// is larger has been rounded before it gets here, and is told by just that: it goes to review, never into the books.

/** Why a person has to look. */
export class Review extends Error {
    constructor(code, subject, message) {
        super(message);
        this.reason = { code, message, subject, extra: [] };
    }
}

/** An amount of `minor` units, as long as it is exact. */
export function money(minor, currency) {
    if (!Number.isSafeInteger(minor)) {
        throw new Review("amount-too-large", currency, "the amount is too large for a mapper in JavaScript");
    }
    return { minor, currency };
}

/** The opposite of an amount; there is no negative zero in a ledger. */
export function negated(amount) {
    return money(amount.minor === 0 ? 0 : -amount.minor, amount.currency);
}

/** The whole combination for a natural account and a cost centre. */
export function combination(ledger, account, costCenter) {
    return ledger.combination.replaceAll("{account}", () => account).replaceAll("{cost_center}", () => costCenter);
}

/** The whole combination for the ledger's account of a purpose. */
export function accountOf(context, purpose) {
    const found = context.ledger.accounts.find(([name]) => name === purpose);
    if (!found) {
        throw new Review("no-account", purpose, `the seller's ledger names no account for \`${purpose}\``);
    }
    return combination(context.ledger, found[1], context.ledger.defaultCostCenter);
}

/** The catalog's entry for a product. */
export function product(context, sku, marketplace) {
    const found = context.catalog.find((entry) => entry.sku === sku && entry.marketplace === marketplace);
    if (!found) {
        throw new Review("unmapped-sku", sku, "the catalog does not name it");
    }
    return found;
}

/** Makes a line of each thing. All lines that are not zero, or every distinct reason. */
export function collect(things, line) {
    const lines = [];
    const reasons = [];
    for (const thing of things) {
        try {
            const made = line(thing);
            if (made.amount.minor !== 0) lines.push(made);
        } catch (error) {
            if (!(error instanceof Review)) throw error;
            const known = (one) => one.code === error.reason.code && one.subject === error.reason.subject;
            if (!reasons.some(known)) reasons.push(error.reason);
        }
    }
    return { lines, reasons };
}

/** A line of a settlement's journal. */
export function journalLine(context, purpose, label, amount) {
    return { account: accountOf(context, purpose), amount, label, rule: `ledger.accounts.${purpose}`, extra: [] };
}
