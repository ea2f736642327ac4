//! Whether each settlement's money is journaled: by one journal, or by one for each month that it reaches into.
//!
//! What Amazon showed or changed later is journaled by adjustments (`... adjustment 1, ...`), which count towards the sums.
//! An accrual of deferred transactions (`Deferred transactions ...`) names no settlement and is not judged here.

use super::Verdict;
use super::worth::{self, Rate};
use crate::World;
use crate::fusion::{FusionState, GlLine, JournalBatch};
use crate::scenario::{ACCOUNTS, Group, combination};

/// What a settlement's journals come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Judged {
    missing: bool,
    doubled: bool,
    differs: bool,
}

/// The accounts that a settlement's money passes through, as whole combinations.
struct Accounts {
    settlement: String,
    carry_forward: String,
}

impl Accounts {
    fn new() -> Self {
        let of = |wanted: &str| {
            let account = ACCOUNTS.iter().find(|(purpose, _)| *purpose == wanted);
            combination(account.map_or("", |(_, account)| *account), "000")
        };
        Self { settlement: of("settlement"), carry_forward: of("carry_forward") }
    }
}

/// Judges the journals of every settlement.
pub(super) fn judge(world: &World, state: &FusionState, verdict: &mut Verdict) {
    let now = world.clock.now();
    let accounts = Accounts::new();
    let planted = super::planted::settlements(world);
    let due = super::due(world);
    for ((n, group), due) in world.scenario.groups.iter().enumerate().zip(due) {
        let own = |batch: &&JournalBatch| {
            batch.seller == group.seller && words(&batch.description).any(|word| word == group.id)
        };
        let standing = not_reversed(state.batches.iter().filter(own).collect());
        // What waits for a person is not journaled.
        let due = due < now && group.transactions > 0 && !planted.contains(group.id.as_str());
        let judged = settlement(group, Rate::own(world, n), &standing, due, &accounts);
        note(group, &standing, &judged, &accounts, verdict);
    }
}

fn note(group: &Group, found: &[&JournalBatch], judged: &Judged, accounts: &Accounts, verdict: &mut Verdict) {
    if judged.missing {
        verdict.journals_missing += 1;
        verdict.note(format!("settlement {} lacks a journal; it has {}", group.id, found.len()));
    }
    if judged.doubled {
        verdict.journals_doubled += 1;
        verdict.note(format!("settlement {} is journaled more than once, by {}", group.id, found.len()));
    }
    if judged.differs {
        let net = net(found, &accounts.settlement);
        let worth = worth_of(found, &accounts.settlement);
        verdict.amount_differences += 1;
        let (total, paid) = (group.total, group.paid_out);
        verdict.note(format!(
            "settlement {}: journaled {net} worth {worth}, not {total} paid as {paid}",
            group.id
        ));
    }
}

fn words(description: &str) -> impl Iterator<Item = &str> {
    description.split([' ', ',', '(', ')'])
}

/// Which part of how many a batch says that it is: `part 1 of 2`.
fn part(batch: &JournalBatch) -> (u32, u32) {
    let words: Vec<&str> = words(&batch.description).collect();
    let said = words.windows(4).find_map(|window| match window {
        ["part", number, "of", of] => Some((number.parse().ok()?, of.parse().ok()?)),
        _ => None,
    });
    said.unwrap_or((1, 1))
}

/// Which adjustment of its settlement a batch says that it is.
fn adjustment(batch: &JournalBatch) -> Option<u32> {
    let words: Vec<&str> = words(&batch.description).collect();
    let number = words.windows(2).find(|window| window[0] == "adjustment")?;
    number[1].parse().ok()
}

/// A batch's lines in an order of their own; turned round with `sign` -1.
fn lines<'a>(batch: &'a JournalBatch, sign: i64) -> Vec<(&'a str, &'a str, i64, i64)> {
    let one = |line: &'a GlLine| {
        (line.account.as_str(), line.currency.code(), sign * line.net, sign * line.accounted)
    };
    let mut lines: Vec<_> = batch.lines().map(one).collect();
    lines.sort_unstable();
    lines
}

/// The batches that stand: one with the opposite lines takes another back.
fn not_reversed(batches: Vec<&JournalBatch>) -> Vec<&JournalBatch> {
    let mut standing: Vec<&JournalBatch> = Vec::new();
    for batch in batches {
        match standing.iter().position(|other| lines(other, 1) == lines(batch, -1)) {
            Some(at) => _ = standing.remove(at),
            None => standing.push(batch),
        }
    }
    standing
}

fn net(batches: &[&JournalBatch], account: &str) -> i64 {
    let lines = batches.iter().flat_map(|batch| batch.lines());
    lines.filter(|line| line.account == account).map(|line| line.net).sum()
}

fn worth_of(batches: &[&JournalBatch], account: &str) -> i64 {
    let lines = batches.iter().flat_map(|batch| batch.lines());
    lines.filter(|line| line.account == account).map(|line| line.accounted).sum()
}

fn settlement(
    group: &Group,
    rate: Option<Rate>,
    found: &[&JournalBatch],
    due: bool,
    accounts: &Accounts,
) -> Judged {
    let (adjusting, of_months): (Vec<&JournalBatch>, Vec<&JournalBatch>) =
        found.iter().partition(|batch| adjustment(batch).is_some());
    let mut parts: Vec<(u32, u32)> = of_months.iter().map(|batch| part(batch)).collect();
    parts.sort_unstable();
    parts.dedup();
    let mut adjustments: Vec<_> = adjusting.iter().map(|batch| (adjustment(batch), part(batch))).collect();
    adjustments.sort_unstable();
    adjustments.dedup();
    let of = parts.first().map_or(1, |(_, of)| *of);
    let whole = parts.len() == of as usize && parts.iter().zip(1..).all(|(part, n)| *part == (n, of));
    let net_settled = net(found, &accounts.settlement);
    let multiple =
        group.total != 0 && net_settled % group.total == 0 && net_settled.abs() > group.total.abs();
    let alike = found.iter().enumerate().any(|(n, batch)| {
        let rest = &found[n + 1..];
        rest.iter().any(|other| batch.period == other.period && lines(batch, 1) == lines(other, 1))
    });
    let foreign = found.iter().any(|batch| batch.lines().any(|line| line.currency != group.currency));
    // What a month carries forward comes in with the last.
    let sums = net_settled == group.total && net(found, &accounts.carry_forward) == 0;
    let worth = |account| worth_of(found, account);
    let worth = worth::differs(group, rate, worth(&accounts.settlement), worth(&accounts.carry_forward));
    Judged {
        missing: due && !whole,
        doubled: of_months.len() > parts.len()
            || adjusting.len() > adjustments.len()
            || parts.len() > of as usize
            || multiple
            || alike,
        differs: foreign || (whole && (!sums || worth)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fusion::Journal;
    use crate::scenario::{Currency, Region};

    fn batch(description: &str, period: &str, lines: &[(&str, i64)]) -> JournalBatch {
        let line = |(purpose, net): &(&str, i64)| {
            let account = ACCOUNTS.iter().find(|(known, _)| known == purpose).expect("known").1;
            GlLine {
                account: combination(account, "000"),
                currency: Currency::Eur,
                net: *net,
                accounted: *net,
                converted_on: None,
                description: String::new(),
                key: String::new(),
            }
        };
        JournalBatch {
            id: 1,
            name: String::new(),
            description: description.to_owned(),
            seller: 0,
            source: String::new(),
            period: period.to_owned(),
            journals: vec![Journal {
                name: String::new(),
                description: String::new(),
                period: period.to_owned(),
                date: String::new(),
                category: String::new(),
                currency: Currency::Eur,
                conversion: None,
                reference: None,
                lines: lines.iter().map(line).collect(),
            }],
            posted: None,
            completion: String::new(),
            reversal_period: None,
            reversal_method: None,
            created: 0,
            updated: 0,
        }
    }

    fn judged(batches: &[&JournalBatch]) -> Judged {
        let group = Group {
            seller: 0,
            region: Region::Eu,
            currency: Currency::Eur,
            id: "G1".to_owned(),
            start: 0,
            end: 1,
            deposit: Currency::Eur,
            total: 900,
            paid_out: 900,
            transactions: 3,
            total_missing: false,
        };
        settlement(&group, None, &not_reversed(batches.to_vec()), true, &Accounts::new())
    }

    const RIGHT: Judged = Judged { missing: false, doubled: false, differs: false };

    fn april() -> JournalBatch {
        batch("Settlement G1, part 1 of 2", "Apr-26", &[("carry_forward", 650), ("clearing", -650)])
    }

    fn may(settled: i64) -> JournalBatch {
        let lines = [("settlement", settled), ("carry_forward", -650), ("clearing", 650 - settled)];
        batch("Settlement G1, part 2 of 2", "May-26", &lines)
    }

    fn whole() -> JournalBatch {
        batch("Settlement G1", "May-26", &[("settlement", 900), ("clearing", -900)])
    }

    #[test]
    fn one_journal_or_all_of_its_parts_are_right() {
        assert_eq!(judged(&[&whole()]), RIGHT);
        assert_eq!(judged(&[&april(), &may(900)]), RIGHT);
    }

    #[test]
    fn a_part_that_lacks_is_missing_and_so_is_everything() {
        let missing = Judged { missing: true, ..RIGHT };
        assert_eq!(judged(&[]), missing);
        assert_eq!(judged(&[&april()]), missing);
        assert_eq!(judged(&[&may(900)]), missing);
    }

    #[test]
    fn a_part_or_a_whole_that_stands_twice_is_doubled() {
        assert!(judged(&[&april(), &april(), &may(900)]).doubled);
        assert!(judged(&[&whole(), &whole()]).doubled);
        assert!(judged(&[&whole(), &april(), &may(900)]).doubled);
        let twice = batch("Settlement G1", "May-26", &[("settlement", 1_800), ("clearing", -1_800)]);
        assert!(judged(&[&twice]).doubled);
    }

    #[test]
    fn another_sum_differs_and_so_does_money_that_stays_carried_forward() {
        assert_eq!(judged(&[&april(), &may(899)]), Judged { differs: true, ..RIGHT });
        let short = [("settlement", 900), ("carry_forward", -600), ("clearing", -300)];
        let short = batch("Settlement G1, part 2 of 2", "May-26", &short);
        assert_eq!(judged(&[&april(), &short]), Judged { differs: true, ..RIGHT });
    }

    #[test]
    fn an_adjustment_counts_towards_the_sums_and_is_no_second_journal() {
        let adjusted = |number: u32, settled: i64| {
            let words = format!("Settlement G1, adjustment {number}, 2 transactions");
            batch(&words, "May-26", &[("settlement", settled), ("commission", -settled)])
        };
        let short = batch("Settlement G1", "May-26", &[("settlement", 890), ("clearing", -890)]);
        assert_eq!(judged(&[&short, &adjusted(1, 10)]), RIGHT);
        assert_eq!(judged(&[&april(), &may(890), &adjusted(1, 4), &adjusted(2, 6)]), RIGHT);
        assert!(judged(&[&whole(), &adjusted(1, 10)]).differs);
        assert!(judged(&[&short, &adjusted(1, 5), &adjusted(1, 5)]).doubled);
        assert!(judged(&[&adjusted(1, 900)]).missing);
    }

    #[test]
    fn a_journal_that_is_taken_back_no_longer_counts() {
        let back = batch("Reversal of settlement G1", "May-26", &[("settlement", -900), ("clearing", 900)]);
        assert_eq!(judged(&[&whole(), &back]), Judged { missing: true, ..RIGHT });
        assert_eq!(judged(&[&whole(), &back, &whole()]), RIGHT);
    }
}
