//! Which tools of a server are shown at all.

/// Shell-style patterns: `*`, `?`, `[abc]`, `[a-z]`, `[!a]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    /// If not empty, only these.
    pub include: Vec<String>,
    /// Not these, unless `include` names them.
    pub exclude: Vec<String>,
}

impl Filter {
    /// Judges a tool by the name its server gives it. What is included wins over what is excluded,
    /// as in the `mcp.json` files these keys come from.
    pub fn allows(&self, name: &str) -> bool {
        let any =
            |patterns: &[String]| patterns.iter().any(|p| matches(p.as_bytes(), name.as_bytes()));
        if self.include.is_empty() { !any(&self.exclude) } else { any(&self.include) }
    }
}

/// Greedy with one step back, so linear in the product of the lengths at worst.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(length) = one(&pattern[p..], name[n]) {
            p += length;
            n += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// How many bytes of `pattern` stand for the one byte, if its first element does.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern.first()? {
        b'?' => Some(1),
        b'[' => class(pattern, byte),
        other => (*other == byte).then_some(1),
    }
}

fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let Some(end) = pattern.iter().skip(2).position(|b| *b == b']').map(|at| at + 2) else {
        return (byte == b'[').then_some(1);
    };
    let mut set = &pattern[1..end];
    let negated = set.first() == Some(&b'!');
    if negated {
        set = &set[1..];
    }
    let mut hit = false;
    while let Some((&low, rest)) = set.split_first() {
        if let [b'-', high, after @ ..] = rest {
            hit |= (low..=*high).contains(&byte);
            set = after;
        } else {
            hit |= low == byte;
            set = rest;
        }
    }
    (hit != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::Filter;

    #[track_caller]
    fn check(include: &str, exclude: &str, allowed: &str, hidden: &str) {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let filter = Filter { include: list(include), exclude: list(exclude) };
        for name in list(allowed) {
            assert!(filter.allows(&name), "{name} should be shown");
        }
        for name in list(hidden) {
            assert!(!filter.allows(&name), "{name} should be hidden");
        }
    }

    #[test]
    fn patterns_choose_tools() {
        check("", "", "anything", "");
        check("read_* list", "", "read_ read_file list", "write_file lists");
        check("", "*_delete *[!a-z]", "read", "repo_delete v2");
        check("read_*", "read_secret", "read_secret", "write");
        check("get_?", "", "get_a", "get_ get_ab");
        check("a*b*c", "", "abc aXbXbc", "ab acb");
        check("x[a-c1]y", "", "xby x1y", "xdy x-y");
        check("[", "", "[", "a");
    }
}
