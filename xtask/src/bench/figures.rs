//! Numbers out of many measurements: percentiles, medians, and how they are written.

use std::time::Duration;

/// What one round of requests gave.
#[derive(Debug, Clone, Default)]
pub struct Round {
    /// Answers that were as they should be.
    pub good: usize,
    /// Answers with another status than 200.
    pub not_200: usize,
    /// Answers with status 200 and something else than a picture.
    pub no_picture: usize,
    /// Requests without an answer.
    pub failed: usize,
    /// Why the first of these failed.
    pub first_failure: Option<String>,
    /// How long the whole round took.
    pub elapsed: Duration,
    /// How long each good answer took, from before the connection to its last byte; shortest first.
    pub took: Vec<Duration>,
    /// The server's processor time; `None` where it is not known.
    pub cpu: Option<Duration>,
    /// The clients' processor time, which the server lacked.
    pub clients_cpu: Option<Duration>,
    /// The share of all processor time that went to neither: what else this machine did meanwhile.
    pub others: Option<f64>,
}

impl Round {
    /// Good answers a second.
    pub fn per_second(&self) -> f64 {
        self.good as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The server's processor time for one good answer, in microseconds.
    pub fn cpu_us(&self) -> Option<f64> {
        self.each_us(self.cpu)
    }

    fn each_us(&self, cpu: Option<Duration>) -> Option<f64> {
        Some(cpu?.as_secs_f64() * 1e6 / self.good.max(1) as f64)
    }

    /// Requests that did not get what they asked for.
    pub fn bad(&self) -> usize {
        self.not_200 + self.no_picture + self.failed
    }

    /// One line of the table of rounds.
    pub fn row(&self, name: &str) -> String {
        let at = |share| ms(percentile(&self.took, share));
        let known = |value: Option<f64>| value.map_or_else(|| "?".into(), |value| format!("{value:.0}"));
        format!(
            "| {name} | {:.0} | {} | {} | {} | {} | {} | {} | {} % | {} |",
            self.per_second(),
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0),
            known(self.cpu_us()),
            known(self.each_us(self.clients_cpu)),
            known(self.others.map(|share| share * 100.0)),
            self.bad(),
        )
    }
}

/// The head of the table that [`Round::row`] fills.
pub const HEAD: &str = "\
| | requests/s | p50 ms | p99 ms | p99.9 ms | max ms | server CPU µs/request | clients' CPU µs/request | other programs | not answered well |
|---|---|---|---|---|---|---|---|---|---|";

/// The smallest value that at least `share` of `sorted` do not exceed (nearest rank); zero of nothing.
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.clamp(1, sorted.len().max(1)) - 1)
        .copied()
        .unwrap_or_default()
}

/// The middle one of `values`; of an even number the lower of the two, so that it is one that was measured.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(f64::NAN)
}

/// Milliseconds with three significant digits or so.
pub fn ms(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1e3;
    match ms {
        _ if ms < 10.0 => format!("{ms:.2}"),
        _ if ms < 100.0 => format!("{ms:.1}"),
        _ => format!("{ms:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(values: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        values.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let hundred = milliseconds(1..=100);
        for (share, wanted) in [
            (0.0, 1),
            (0.005, 1),
            (0.5, 50),
            (0.99, 99),
            (0.999, 100),
            (1.0, 100),
        ] {
            assert_eq!(
                percentile(&hundred, share),
                Duration::from_millis(wanted),
                "{share} of 1..=100"
            );
        }
        let one = milliseconds([7]);
        assert_eq!(percentile(&one, 0.5), percentile(&one, 0.999), "one value is all");
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn a_median_takes_no_notice_of_order_or_of_one_bad_round() {
        assert_eq!(median([3.0, 1000.0, 2.0]), 3.0);
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), 2.0);
        assert!(median([]).is_nan(), "there is none of nothing");
    }

    #[test]
    fn a_round_is_written_as_a_line_of_a_table() {
        let round = Round {
            good: 100,
            not_200: 1,
            failed: 2,
            elapsed: Duration::from_secs(2),
            took: milliseconds(1..=100),
            cpu: Some(Duration::from_millis(10)),
            clients_cpu: None,
            others: Some(0.126),
            ..Round::default()
        };
        assert_eq!(
            round.row("ours"),
            "| ours | 50 | 50.0 | 99.0 | 100 | 100 | 100 | ? | 13 % | 3 |"
        );
        assert_eq!(
            HEAD.lines()
                .map(|line| line.matches('|').count())
                .collect::<Vec<_>>(),
            [round.row("ours").matches('|').count(); 2],
            "head and rows have as many columns"
        );
    }
}
