//! Marks that say whose a message is.

use std::fmt;

/// The mark of one request of one client.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Token {
    pub client: u64,
    pub principal: u64,
    pub number: u64,
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "~{}.{}.{}~", self.client, self.principal, self.number)
    }
}

impl Token {
    /// All that stand in `text`.
    pub fn all(text: &str) -> Vec<Self> {
        text.split('~').filter_map(Self::read).collect()
    }

    fn read(text: &str) -> Option<Self> {
        let mut numbers = text.splitn(3, '.').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        Some(Self { client: next()?, principal: next()?, number: next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn tokens_are_found_in_any_text() {
        let token = Token { client: 3, principal: 1, number: 17 };
        let other = Token { number: 18, ..token };
        assert_eq!(Token::all(&format!("{{\"a\":\"x {token}{other} y\"}}")), [token, other]);
        assert_eq!(Token::all("~ 1.2 ~ 1.2.3.4 ~"), []);
    }
}
