// Natively: `node --test`. The bytes of the component are compared with the mapper in Rust's by the host's tests.

import assert from "node:assert/strict";
import test from "node:test";

import { mapper } from "./kit.js";
import { mapOrders, mapTransactions } from "./mapper.js";

const context = {
    seller: "A1",
    settings: [],
    ledger: {
        combination: "01-{cost_center}-{account}",
        defaultCostCenter: "000",
        accounts: [["settlement", "2"], ["clearing", "3"]],
    },
    catalog: [{ sku: "MUG", marketplace: "US", revenueAccount: "41000", costCenter: "110", rule: "catalog.csv:2" }],
};

const usd = (minor) => ({ minor, currency: "USD" });

function order(sku, minor) {
    const item = { id: "01", sku, quantityFulfilled: 1, charges: [{ kind: "ITEM", amount: usd(minor) }] };
    return { id: "113-0000001-0000001", marketplace: "US", status: "SHIPPED", total: usd(minor), items: [item] };
}

test("a shipped order is invoiced in full", () => {
    const [outcome] = mapOrders(context, [order("MUG", 1_999)]);
    assert.equal(outcome.tag, "invoice");
    assert.deepEqual(outcome.val.lines[0].amount, usd(1_999));
    assert.equal(outcome.val.lines[0].account, "01-110-41000");
});

test("what the catalog does not name goes to review", () => {
    const [outcome] = mapOrders(context, [order("LAMP", 1_999)]);
    assert.deepEqual([outcome.tag, outcome.val[0].code, outcome.val[0].subject], ["review", "unmapped-sku", "LAMP"]);
});

test("a transaction balances", () => {
    const fee = { id: "T1", total: usd(-300), legs: [{ path: "AmazonFees/Commission", amount: usd(-300) }] };
    const [outcome] = mapTransactions(context, [fee]);
    assert.equal(outcome.val.journal.reduce((sum, line) => sum + line.amount.minor, 0), 0);
});

test("an amount that a number cannot hold never gets as far as a mapping", () => {
    for (const minor of [2 ** 53, -(2 ** 53), 9_007_199_254_740_993]) {
        const [large, small] = mapOrders(context, [order("MUG", minor), order("MUG", 5)]);
        assert.deepEqual([large.tag, large.val[0].code], ["review", "amount-too-large"]);
        assert.equal(small.tag, "invoice");
    }
});

test("an amount that is no whole number never gets out", () => {
    const half = () => ({ tag: "invoice", val: { lines: [{ amount: usd(0.5) }], extra: [] } });
    const { mapOrders } = mapper({ describe: null, mapOrder: half, mapTransaction: null });
    const [outcome] = mapOrders(context, [order("MUG", 1)]);
    assert.deepEqual([outcome.tag, outcome.val[0].code], ["review", "amount-inexact"]);
});
