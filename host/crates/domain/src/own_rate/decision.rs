//! Whose rate converts a settlement.

use crate::fx::OwnRate;
use crate::ledger::SettlementRate;
use crate::money::{Currency, Money};

/// How a settlement's journals are converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Not at all: it is in the ledger's currency.
    Domestic,
    /// By the rate at which Amazon paid it out.
    Own(OwnRate),
    /// By Fusion's rate of each journal's day; why, in words.
    Fusion(String),
    /// Amazon may still show what it paid out.
    Wait,
    /// Amazon says two things; a person must look.
    Contradiction(String),
}

/// What Amazon says that it paid out for a settlement, in whatever currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PaidOut {
    /// The group's converted total.
    pub group: Option<Money>,
    /// The amount of the payout, if that is of this settlement alone.
    pub payout: Option<Money>,
}

/// Decides for a settlement that comes to `total`. `all_shown` says that Amazon has had the time to show its payout.
///
/// Only a payout in the ledger's currency gives a rate. One in a third currency, or in the settlement's own, says that none
/// will come, if the group states it: the payout's amount may be in the settlement's currency whatever the bank's is.
pub fn decide(
    policy: SettlementRate,
    ledger: Currency,
    total: Money,
    paid: PaidOut,
    all_shown: bool,
) -> Decision {
    if total.currency == ledger {
        return Decision::Domestic;
    }
    if policy == SettlementRate::Fusion {
        return Decision::Fusion("as `settlement_rate` says".to_owned());
    }
    let in_ledger = |paid: Option<Money>| paid.filter(|money| money.currency == ledger);
    let converted = match (in_ledger(paid.group), in_ledger(paid.payout)) {
        (Some(group), Some(payout)) if group != payout => {
            return Decision::Contradiction(format!(
                "the group says that {group} were paid out, its payout says {payout}"
            ));
        }
        (group, payout) => group.or(payout),
    };
    if let Some(converted) = converted {
        return match OwnRate::of(total, converted) {
            Ok(rate) => Decision::Own(rate),
            Err(why) => Decision::Fusion(format!("{total} were paid out as {converted}: {why}")),
        };
    }
    let elsewhere = paid.group.or(paid.payout.filter(|payout| payout.currency != total.currency));
    match elsewhere {
        Some(elsewhere) => {
            Decision::Fusion(format!("Amazon paid it out in {}, not in {ledger}", elsewhere.currency))
        }
        None if total.minor == 0 => Decision::Fusion("it comes to nothing".to_owned()),
        None if !all_shown => Decision::Wait,
        None => Decision::Fusion(format!("Amazon shows no payout of it in {ledger}")),
    }
}

impl Decision {
    /// What the audit log says of it, beginning with a comma; nothing of what needs no conversion.
    pub fn words(&self) -> String {
        match self {
            Self::Own(OwnRate { original, converted }) => {
                format!(", converted by its own rate: Amazon paid out {converted} for {original}")
            }
            Self::Fusion(why) => format!(", converted by Fusion's rate of its day: {why}"),
            Self::Domestic | Self::Wait | Self::Contradiction(_) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Option<Money> {
        let (minor, code) = text.split_once(' ')?;
        Some(Money::new(minor.parse().expect("a number"), code.parse().expect("a currency")))
    }

    /// A settlement in Canadian dollars in a ledger in US dollars: what the group says, what the payout says.
    fn of(total: &str, group: &str, payout: &str, all_shown: bool) -> Decision {
        let paid = PaidOut { group: money(group), payout: money(payout) };
        decide(SettlementRate::Amazon, Currency::USD, money(total).expect("a total"), paid, all_shown)
    }

    #[test]
    fn only_a_payout_in_the_ledgers_currency_gives_a_rate() {
        let total = "100000 CAD";
        let own = Decision::Own(
            OwnRate::of(money(total).expect("money"), money("73127 USD").expect("money")).expect("a rate"),
        );
        let fusion = |why: &str| Decision::Fusion(why.to_owned());
        let rows = [
            ("73127 USD", "", own.clone()),
            ("", "73127 USD", own.clone()),
            ("73127 USD", "100000 CAD", own.clone()),
            ("100000 CAD", "73127 USD", own),
            ("50000 GBP", "", fusion("Amazon paid it out in GBP, not in USD")),
            ("", "50000 GBP", fusion("Amazon paid it out in GBP, not in USD")),
            ("100000 CAD", "", fusion("Amazon paid it out in CAD, not in USD")),
            ("", "", Decision::Wait),
            ("", "100000 CAD", Decision::Wait),
        ];
        for (group, payout, wanted) in rows {
            assert_eq!(of(total, group, payout, false), wanted, "{group} {payout}");
        }
        let late = of(total, "", "100000 CAD", true);
        assert_eq!(late, fusion("Amazon shows no payout of it in USD"));
        assert!(
            late.words().contains("Fusion's rate of its day: Amazon shows no payout"),
            "{}",
            late.words()
        );
    }

    #[test]
    fn two_payouts_in_the_ledgers_currency_go_to_a_person() {
        let Decision::Contradiction(words) = of("100000 CAD", "73127 USD", "73126 USD", true) else {
            panic!("which of the two?")
        };
        assert!(words.contains("731.27 USD") && words.contains("731.26 USD"), "{words}");
    }

    #[test]
    fn totals_that_tell_no_rate_are_converted_by_fusion_and_it_is_said_why() {
        for (total, paid, why) in [
            ("0 CAD", "0 USD", "nothing"),
            ("100000 CAD", "-73127 USD", "opposite signs"),
            ("900 CAD", "657 USD", "too small"),
        ] {
            let words = of(total, paid, "", true).words();
            assert!(words.contains("Fusion's rate") && words.contains(why), "{words}");
        }
        assert_eq!(of("0 CAD", "", "", false), Decision::Fusion("it comes to nothing".to_owned()), "no wait");
        assert!(matches!(of("-100000 CAD", "-73127 USD", "", false), Decision::Own(_)), "Amazon charged it");
    }

    #[test]
    fn the_ledgers_own_currency_and_the_policy_come_first() {
        assert_eq!(of("100000 USD", "", "", false), Decision::Domestic);
        let paid = PaidOut { group: money("73127 USD"), payout: None };
        let total = money("100000 CAD").expect("a total");
        let decided = decide(SettlementRate::Fusion, Currency::USD, total, paid, false);
        assert!(matches!(decided, Decision::Fusion(_)), "{decided:?}");
    }
}
