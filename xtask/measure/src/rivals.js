// The standard mapper's way with orders of marketplaces whose prices exclude tax, in JavaScript. Amounts stay below 2^53
// here, so a number holds them.
const SOLD = { ITEM: "Item", SHIPPING: "Shipping", GIFT_WRAP: "Gift wrap", DISCOUNT: "Discount", TAX: "Tax" };
const PURPOSE = { SHIPPING: "shipping_revenue", GIFT_WRAP: "gift_wrap_revenue", DISCOUNT: "discount", TAX: "tax_payable" };

function combination(ledger, account, center) {
    return ledger.combination.template.replaceAll("{account}", account).replaceAll("{cost_center}", center);
}

function place(context, product, kind) {
    const ledger = context.ledger;
    if (kind === "ITEM") return [combination(ledger, product.revenue, product.cost_center), product.rule];
    const center = kind === "TAX" ? ledger.default_cost_center : product.cost_center;
    const purpose = PURPOSE[kind];
    return [combination(ledger, ledger.accounts[purpose], center), "ledger.accounts." + purpose];
}

function mapOrder(context, products, order) {
    if (order.status !== "SHIPPED") return { Skip: "its status is " + order.status };
    if (order.channel === "NON_AMAZON") return { Skip: "it was sold elsewhere and only fulfilled by Amazon" };
    const lines = [];
    for (const item of order.items) {
        const product = products.get(item.sku + "\n" + order.marketplace);
        for (const charge of item.charges) {
            const kind = charge.kind.split("/")[0];
            const [account, rule] = place(context, product, kind);
            lines.push({
                description: SOLD[kind] + " " + item.sku, amount: charge.amount, quantity: item.quantity_fulfilled,
                account, sku: item.sku, order_item: item.id, rule, class: kind === "TAX" ? "tax" : "revenue",
            });
        }
    }
    return { Invoice: lines };
}

function map(input) {
    const [context, orders] = JSON.parse(input);
    const products = new Map(context.catalog.map((entry) => [entry.sku + "\n" + entry.marketplace, entry]));
    return JSON.stringify(orders.map((order) => mapOrder(context, products, order)));
}
