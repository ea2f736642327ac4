// What a mapper in JavaScript needs: money that loses no digit, accounts, lines.
//
// An amount comes as a JavaScript number of minor units. Numbers are exact up to 2^53 - 1 (90 trillion in cents); whatever
// is larger has been rounded before it gets here, and is told by just that. `mapper` looks at every amount that comes in
// and goes out, so that no mapping can forget to: such a record goes to review, never into the books.

/** The exports of a mapper of one order and one transaction at a time. */
export function mapper({ describe, mapOrder, mapTransaction }) {
    const each = (map) => (context, records) => records.map((record) => guarded(context, record, map));
    return { describe, mapOrders: each(mapOrder), mapTransactions: each(mapTransaction) };
}

/** A batch's mapping that logs what it throws with its place: the operator sees more than that the mapper failed. */
export function told(log, map) {
    return (context, records) => {
        try {
            return map(context, records);
        } catch (error) {
            const place = String(error?.stack ?? "").trim().split("\n")[0].trim();
            log.write("error", `${error} (${place})`);
            throw error;
        }
    };
}

function guarded(context, record, map) {
    if (!exact(record)) {
        const message = "it has an amount of more than 2^53 minor units, which JavaScript cannot hold";
        return review("amount-too-large", record.id, message);
    }
    const outcome = map(context, record);
    if (!exact(outcome)) {
        const message = "the mapper made an amount that is no whole number of minor units below 2^53";
        return review("amount-inexact", record.id, message);
    }
    return outcome;
}

/** Whether all amounts in a record or an outcome are whole numbers that JavaScript holds exactly. */
function exact(value) {
    if (Array.isArray(value)) return value.every(exact);
    if (value === null || typeof value !== "object") return true;
    if ("minor" in value && !Number.isSafeInteger(value.minor)) return false;
    return Object.values(value).every(exact);
}

function review(code, subject, message) {
    return { tag: "review", val: [{ code, message, subject, extra: [] }] };
}

/** Why a person has to look. */
export class Review extends Error {
    constructor(code, subject, message) {
        super(message);
        this.reason = { code, message, subject, extra: [] };
    }
}

/** The opposite of an amount; there is no negative zero in a ledger. */
export function negated(amount) {
    return { minor: amount.minor === 0 ? 0 : -amount.minor, currency: amount.currency };
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
