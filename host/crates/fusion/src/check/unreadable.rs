//! What Fusion's REST resources do not tell, and what the first posting would say of it.

use ml_connector_domain::ledger::CreditMemoPath;

use super::{Check, Unreadable};

impl Check<'_> {
    fn cannot_read(&mut self, what: impl Into<String>, first_posting: impl Into<String>) {
        let (what, first_posting) = (what.into(), first_posting.into());
        self.report.unreadable.push(Unreadable { what, first_posting });
    }

    /// A transaction source under which nothing was posted yet.
    pub(super) fn source_unseen(&mut self, key: &str, source: &str) {
        self.cannot_read(
            format!("whether transaction source `{source}` (ledger.{key}) exists"),
            "AR_BATCH_SOURCE_NOT_FOUND: the transaction source doesn't exist",
        );
    }

    pub(super) fn unreadable(&mut self) {
        let setup = self.setup;
        self.cannot_read(
            format!(
                "whether the sources `{}` and `{}` number by themselves, which they must not",
                setup.transaction_source, setup.credit_memo_source
            ),
            "the document comes back under another number than its key, or the number is refused: switch automatic numbering off",
        );
        self.cannot_read(
            format!("the transaction types `{}` and `{}`", setup.invoice_type, setup.credit_memo_type),
            "the transaction type doesn't exist (ledger.invoice_type, ledger.credit_memo_type)",
        );
        self.cannot_read(
            format!("the payment terms `{}`", setup.payment_terms),
            "the payment terms don't exist (ledger.payment_terms)",
        );
        self.cannot_read(
            format!("the data access set {}", setup.data_access_set_id),
            "the import ends without journals, or its request id is -1 (ledger.data_access_set_id)",
        );
        self.cannot_read(
            "whether the privileges to write are there where those to read are others (credit memos, receipts)",
            "403: FUS-FORBIDDEN names the privilege",
        );
        if let Some(receipts) = &setup.receipts {
            self.cannot_read(
                format!(
                    "the receipt method `{}` and the bank account {}",
                    receipts.method, receipts.bank_account
                ),
                "AR_INVAL_RECEIPT_MTH_ID: the receipt method isn't valid (ledger.receipts)",
            );
        }
        if let Some(flexfield) = &setup.transaction_flexfield {
            self.cannot_read(
                format!("the transaction flexfield context `{}`", flexfield.context),
                "the flexfield context or segment isn't valid (ledger.transaction_flexfield)",
            );
        }
        if let Some(reason) = &setup.credit_memo_reason {
            self.cannot_read(
                format!("the credit memo reason `{reason}`"),
                "the credit reason is no value of the lookup (ledger.credit_memo_reason)",
            );
        }
        if setup.auto_invoice.is_some() || setup.credit_memo_path == CreditMemoPath::AutoInvoice {
            self.cannot_read(
                "whether the line transaction flexfield and its context are defined for AutoInvoice",
                "AutoInvoice rejects the lines in its report (ledger.auto_invoice)",
            );
        }
        if let Some(post) = &setup.auto_post {
            self.cannot_read(
                format!("the AutoPost criteria set {}", post.criteria_set),
                "the posting job ends in an error, and the batch stays unposted (ledger.auto_post)",
            );
        }
    }
}
