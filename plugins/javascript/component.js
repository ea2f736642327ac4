// What the component exports: the mapper, heard when it fails. Apart from it, since Node has no log to import.

import log from "ml-connector:mapper/log@0.1.0";

import { told } from "./kit.js";
import * as mapper from "./mapper.js";

export const describe = mapper.describe;
export const mapOrders = told(log, mapper.mapOrders);
export const mapTransactions = told(log, mapper.mapTransactions);
