//! Which privilege a resource needs: Fusion's 403 names none, so this table does.

/// What is done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// GET.
    Read,
    /// POST, PATCH or DELETE.
    Write,
}

/// Resources that the same privileges open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Privilege {
    /// How the resources' names begin.
    resources: &'static str,
    read: &'static str,
    write: &'static str,
    /// What it is for.
    what: &'static str,
    /// What else the user needs there.
    beside: &'static str,
}

const UNIT: &str = "and data access to the business unit";

/// The table. The names are Oracle's ("Get Started" pages of the resources); the role for journal batches, for which no
/// page names a privilege, and the one for customers, whose page is that of their sites, are assumed.
const TABLE: [Privilege; 7] = [
    Privilege {
        resources: "receivablesInvoices",
        read: "AR_CREATE_RECEIVABLES_INVOICE_PRIV",
        write: "AR_CREATE_RECEIVABLES_INVOICE_PRIV",
        what: "receivables invoices",
        beside: UNIT,
    },
    Privilege {
        resources: "receivablesCreditMemos",
        read: "AR_MANAGE_RECEIVABLES_TRANSACTIONS_PRIV",
        write: "AR_CREATE_RECEIVABLES_TRANSACTION_PRIV",
        what: "receivables credit memos",
        beside: UNIT,
    },
    Privilege {
        resources: "standardReceipts",
        read: "AR_MANAGE_RECEIVABLES_RECEIPT_PRIV",
        write: "AR_CREATE_RECEIVABLES_RECEIPT_PRIV",
        what: "standard receipts",
        beside: UNIT,
    },
    Privilege {
        resources: "receivablesCustomerAccount",
        read: "AR_REVIEW_CUSTOMER_ACCOUNT_ACTIVITIES_PRIV",
        write: "AR_REVIEW_CUSTOMER_ACCOUNT_ACTIVITIES_PRIV",
        what: "customers",
        beside: UNIT,
    },
    Privilege {
        resources: "erpintegrations",
        read: "FSCM Load Interface Administration (ORA_FUN_FSCM_LOAD_INTERFACE_ADMIN_DUTY)",
        write: "FSCM Load Interface Administration (ORA_FUN_FSCM_LOAD_INTERFACE_ADMIN_DUTY)",
        what: "bulk import and its jobs",
        beside: "and the product's import role",
    },
    Privilege {
        resources: "journalBatches",
        read: "General Accountant (ORA_GL_GENERAL_ACCOUNTANT_JOB), or a role that may view journals",
        write: "General Accountant (ORA_GL_GENERAL_ACCOUNTANT_JOB), or a role that may edit journals",
        what: "journal batches",
        beside: "and the ledger's data access set",
    },
    Privilege {
        resources: "",
        read: "FUN_GET_ENTERPRISE_STRUCTURES_REST_SERVICE_PRIV",
        write: "FUN_GET_ENTERPRISE_STRUCTURES_REST_SERVICE_PRIV",
        what: "ledgers, periods, accounts and other lists of values",
        beside: "and the ledger's data access set",
    },
];

impl Privilege {
    /// As the Security Console names it.
    pub(crate) fn name(&self, access: Access) -> &'static str {
        match access {
            Access::Read => self.read,
            Access::Write => self.write,
        }
    }
}

/// The privilege that a resource's path needs; what no row names is a list of values.
pub(crate) fn of(path: &str) -> &'static Privilege {
    TABLE.iter().find(|row| path.starts_with(row.resources)).unwrap_or(&TABLE[TABLE.len() - 1])
}

/// What a 403 means, with Fusion's words if it has any.
pub(crate) fn forbidden(path: &str, access: Access, words: &str) -> String {
    let privilege = of(path);
    let (name, what, beside) = (privilege.name(access), privilege.what, privilege.beside);
    let resource = path.split('/').next().unwrap_or_default();
    let verb = if access == Access::Read { "to read" } else { "to write" };
    let words = if words.is_empty() { String::new() } else { format!(" (Fusion: {words})") };
    format!(
        "{resource}: the access token is good, but the integration user lacks a privilege: {verb} {what}, give it {name} in the Security Console, {beside}{words}"
    )
}

/// What a second 401 means: the token was fetched anew, so it is not its age.
pub(crate) fn unauthorized() -> String {
    "Fusion refuses a fresh access token: the identity domain must be the one that protects this instance, the scope its own, and a Fusion user must exist whose name is the client id (or the configured user)".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_that_is_called_has_its_privilege() {
        let lov = "FUN_GET_ENTERPRISE_STRUCTURES_REST_SERVICE_PRIV";
        let import = "FSCM Load Interface Administration";
        let rows = [
            (
                "receivablesInvoices/3001/child/receivablesInvoiceLines",
                Access::Read,
                "AR_CREATE_RECEIVABLES_INVOICE_PRIV",
            ),
            ("receivablesInvoices", Access::Write, "AR_CREATE_RECEIVABLES_INVOICE_PRIV"),
            ("receivablesCreditMemos", Access::Read, "AR_MANAGE_RECEIVABLES_TRANSACTIONS_PRIV"),
            ("receivablesCreditMemos", Access::Write, "AR_CREATE_RECEIVABLES_TRANSACTION_PRIV"),
            ("standardReceipts/describe", Access::Read, "AR_MANAGE_RECEIVABLES_RECEIPT_PRIV"),
            ("standardReceipts", Access::Write, "AR_CREATE_RECEIVABLES_RECEIPT_PRIV"),
            (
                "receivablesCustomerAccountActivities",
                Access::Read,
                "AR_REVIEW_CUSTOMER_ACCOUNT_ACTIVITIES_PRIV",
            ),
            ("erpintegrations", Access::Write, import),
            ("journalBatches/1/child/journalHeaders", Access::Read, "General Accountant"),
            ("journalSourcesLOV", Access::Read, lov),
            ("accountCombinationsLOV", Access::Read, lov),
        ];
        for (path, access, wanted) in rows {
            let words = forbidden(path, access, "Forbidden");
            assert!(words.contains(wanted) && words.ends_with("(Fusion: Forbidden)"), "{path}: {words}");
            assert!(words.starts_with(path.split('/').next().unwrap_or_default()));
        }
    }
}
