//! The text of a JavaScript `Date`.

/// The furthest a `Date` is from 1970, in milliseconds (ECMA-262, 21.4.1.1).
const FURTHEST_MS: i64 = 8_640_000_000_000_000;
const DAY_MS: i64 = 86_400_000;

/// What `toISOString` gives: `2026-11-22T10:00:00.000Z`. `None` for an invalid date, of which
/// `toJSON` makes `null`.
pub(super) fn iso(ms: i64) -> Option<String> {
    if !(-FURTHEST_MS..=FURTHEST_MS).contains(&ms) {
        return None;
    }
    let (year, month, day) = civil(ms.div_euclid(DAY_MS));
    let of_day = ms.rem_euclid(DAY_MS);
    let (seconds, ms) = (of_day / 1000, of_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{year:+07}"),
    };
    Some(format!(
        "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"
    ))
}

/// Year, month and day of a number of days since 1970, in years that begin with March: so the leap
/// day is the last one.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_read_as_node_writes_them() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_341_600_123, "2026-11-22T10:00:00.123Z"),
            (FURTHEST_MS, "+275760-09-13T00:00:00.000Z"),
            (-FURTHEST_MS, "-271821-04-20T00:00:00.000Z"),
            (-62_198_755_200_000, "-000001-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso(ms).as_deref(), Some(text));
        }
        assert_eq!(iso(FURTHEST_MS + 1), None);
        assert_eq!(iso(i64::MIN), None);
    }

    proptest! {
        #[test]
        fn the_time_crate_reads_the_same_day(seconds in -62_135_596_800i64..253_402_300_799) {
            let date = time::OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
            let text = iso(seconds * 1000).expect("in range");
            let expected = format!("{}T{:02}:{:02}:{:02}.000Z", date.date(), date.hour(), date.minute(), date.second());
            prop_assert_eq!(text, expected);
        }
    }
}
