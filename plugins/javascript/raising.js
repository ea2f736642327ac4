// A mapper that throws on every order: the host's tests look at what an operator sees of that.

import log from "ml-connector:mapper/log@0.1.0";

import { mapper, told } from "./kit.js";
import * as minimal from "./mapper.js";

const raising = mapper({ describe: minimal.describe, mapOrder, mapTransaction: null });

export const describe = minimal.describe;
export const mapOrders = told(log, raising.mapOrders);
export const mapTransactions = told(log, minimal.mapTransactions);

function mapOrder(context, order) {
    throw new TypeError(`no rule for ${order.status} é`);
}
