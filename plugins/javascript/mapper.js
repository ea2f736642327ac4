// The smallest mapper that posts something, in JavaScript: every charge to the product's revenue, every leg to clearing.
// It maps what `plugins/minimal` maps, to the same bytes.

import { collect, combination, journalLine, mapper, negated, product } from "./kit.js";

export const { describe, mapOrders, mapTransactions } = mapper({
    describe: () => ({ name: "minimal-javascript", version: "0.1.0", settings: [], extra: [] }),
    mapOrder,
    mapTransaction,
});

function mapOrder(context, order) {
    if (order.status !== "SHIPPED") {
        return { tag: "skip", val: "it has not shipped" };
    }
    const charges = order.items.flatMap((item) => item.charges.map((charge) => ({ item, charge })));
    const { lines, reasons } = collect(charges, ({ item, charge }) => {
        const entry = product(context, item.sku, order.marketplace);
        return {
            description: `${charge.kind} ${item.sku}`,
            amount: charge.amount,
            quantity: item.quantityFulfilled,
            account: combination(context.ledger, entry.revenueAccount, entry.costCenter),
            sku: item.sku,
            orderItemId: item.id,
            rule: entry.rule,
            extra: [],
        };
    });
    return reasons.length > 0 ? { tag: "review", val: reasons } : { tag: "invoice", val: { lines, extra: [] } };
}

function mapTransaction(context, transaction) {
    const moving = transaction.legs.filter((leg) => leg.amount.minor !== 0);
    const legs = collect(moving, (leg) => journalLine(context, "clearing", "everything", negated(leg.amount)));
    const settled = collect([transaction.total], (total) =>
        journalLine(context, "settlement", "Settlement", total),
    );
    const reasons = [...legs.reasons, ...settled.reasons];
    if (reasons.length > 0) {
        return { tag: "review", val: reasons };
    }
    return { tag: "booking", val: { journal: [...legs.lines, ...settled.lines], creditMemo: null, extra: [] } };
}
