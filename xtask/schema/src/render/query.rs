//! Writes the query of a view as every version of PostgreSQL from 16 on does.
//!
//! Up to PostgreSQL 15, a view has two hidden tables, `old` and `new`, so the server qualifies each column of its outermost
//! query. From 16 on, it qualifies none there if the query reads from one table, function or subquery only. Queries in
//! parentheses, unions and joins are written alike by all of them.

use super::super::sql::{Kind, Token, tokens};

/// Words that follow FROM with its tables. As names they would be quoted.
const AFTER_FROM: [&str; 9] = ["WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR"];
const SET_OPERATIONS: [&str; 3] = ["UNION", "INTERSECT", "EXCEPT"];

/// Removes the qualifications that PostgreSQL 16 and later don't write.
pub(super) fn canonical(query: &str) -> String {
    let tokens: Vec<Token<'_>> = tokens(query).filter(|token| !token.is_blank()).collect();
    let Some(outermost) = Outermost::of(&tokens) else { return query.to_owned() };
    let mut text = String::new();
    let mut done = 0;
    for at in outermost.needless() {
        // The qualification and its dot.
        text.push_str(&query[done..tokens[at].start]);
        done = tokens[at + 1].end();
    }
    text.push_str(&query[done..]);
    text
}

/// A query that reads from exactly one table, function or subquery.
struct Outermost<'t, 's> {
    tokens: &'t [Token<'s>],
    /// The positions of SELECT and FROM, and the one after the tables.
    select: usize,
    from: usize,
    after: usize,
    /// The name of the table in the query, as SQL writes it.
    table: &'s str,
}

impl<'t, 's> Outermost<'t, 's> {
    fn of(tokens: &'t [Token<'s>]) -> Option<Self> {
        let outer = Self::outer(tokens);
        let is_any = |at: &usize, words: &[&str]| words.iter().any(|word| tokens[*at].is_word(word));
        if outer.iter().any(|at| is_any(at, &SET_OPERATIONS)) {
            return None;
        }
        let select = outer.iter().copied().find(|at| is_any(at, &["SELECT"]))?;
        let from = outer.iter().copied().find(|at| *at > select && is_any(at, &["FROM"]))?;
        let after = outer.iter().copied().find(|at| *at > from && (is_any(at, &AFTER_FROM) || tokens[*at].text == ";"));
        let after = after.unwrap_or(tokens.len());
        let mut name = None;
        for at in outer.into_iter().filter(|at| (from + 1..after).contains(at)) {
            match tokens[at] {
                token if token.is_word("TABLESAMPLE") => break,
                token if token.text == "," || token.text == "(" && joins(&tokens[at..]) => return None,
                token if is_name(&token) => name = Some(token.text),
                _ => {}
            }
        }
        Some(Self { tokens, select, from, after, table: name? })
    }

    /// The positions of the tokens outside parentheses. An opening parenthesis itself is outside.
    fn outer(tokens: &[Token<'_>]) -> Vec<usize> {
        let mut depth = 0_usize;
        let mut outer = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            depth -= usize::from(depth > 0 && closes(token));
            if depth == 0 {
                outer.push(at);
            }
            depth += usize::from(opens(token));
        }
        outer
    }

    /// The positions of the qualifications that can be left out.
    fn needless(&self) -> Vec<usize> {
        let mut needless = Vec::new();
        // For each open parenthesis, whether a list stands there by which rows are sorted.
        let mut sorted = vec![false];
        let mut at = 0;
        while let Some(token) = self.tokens.get(at) {
            let before = at.checked_sub(1).map(|before| &self.tokens[before]);
            if at == self.from {
                at = self.after;
                continue;
            }
            if opens(token) {
                if is_query(&self.tokens[at..]) {
                    at += length(&self.tokens[at..]);
                    continue;
                }
                // DISTINCT ON (…) is such a list as well.
                sorted.push(before.is_some_and(|before| before.is_word("ON")));
            } else if closes(token) {
                sorted.pop();
            } else if let Some(sorted) = sorted.last_mut() {
                if token.is_word("BY") {
                    *sorted = before.is_some_and(|before| before.is_word("ORDER") || before.is_word("PARTITION"));
                } else if self.qualifies(at) && !(*sorted && self.is_item(at) && self.names_another_output(at)) {
                    needless.push(at);
                }
            }
            at += 1;
        }
        needless
    }

    /// Returns whether a column of the table begins here with the name of the table. Names of functions, types, collations
    /// and operators may begin with a schema of the same name.
    fn qualifies(&self, at: usize) -> bool {
        let is_schema = |before: &Token<'_>| {
            [".", "::"].contains(&before.text) || ["COLLATE", "AS", "RETURNING"].iter().any(|word| before.is_word(word))
        };
        match &self.tokens[at..] {
            [table, dot, column, rest @ ..] => {
                table.identifier().is_some_and(|name| Some(name) == self.table_name())
                    && dot.text == "."
                    && is_name(column)
                    && rest.first().is_none_or(|next| next.text != "(")
                    && at.checked_sub(1).is_none_or(|before| !is_schema(&self.tokens[before]))
            }
            _ => false,
        }
    }

    fn table_name(&self) -> Option<String> {
        tokens(self.table).next()?.identifier()
    }

    /// Returns whether an item of a list begins here. The server puts parentheses around every other expression in a list
    /// by which rows are sorted, so the item is the column alone.
    fn is_item(&self, at: usize) -> bool {
        at.checked_sub(1).is_some_and(|before| ["BY", ",", "("].contains(&self.tokens[before].text))
    }

    /// Returns whether the name of this column is that of another output of the query. In a list by which rows are sorted, the
    /// name alone would mean the output.
    fn names_another_output(&self, at: usize) -> bool {
        let column = &self.tokens[at..at + 3];
        let outer = Self::outer(&self.tokens[..self.from]);
        let ends = outer.iter().copied().filter(|at| self.tokens[*at].text == ",").chain([self.from]);
        let mut start = self.select + 1;
        // DISTINCT ON (…) ends without a comma.
        if self.tokens[start].is_word("DISTINCT") {
            start += 1;
            if self.tokens[start].is_word("ON") {
                start += 1 + length(&self.tokens[start + 1..]);
            }
        }
        for end in ends.filter(|end| *end > self.select) {
            let output = &self.tokens[start..end];
            let is_column = |tokens: &[Token<'_>]| match tokens {
                [name] => name.text == column[2].text,
                [table, _, name] => table.text == column[0].text && name.text == column[2].text,
                _ => false,
            };
            let (expression, name) = match output {
                [expression @ .., word, name] if word.is_word("AS") => (expression, Some(name)),
                _ => (output, output.last()),
            };
            if name.is_some_and(|name| name.text == column[2].text) && !is_column(expression) {
                return true;
            }
            start = end + 1;
        }
        false
    }
}

fn opens(token: &Token<'_>) -> bool {
    token.text == "(" || token.text == "["
}

fn closes(token: &Token<'_>) -> bool {
    token.text == ")" || token.text == "]"
}

fn is_name(token: &Token<'_>) -> bool {
    matches!(token.kind, Kind::Word | Kind::QuotedIdentifier)
}

/// The number of tokens from an opening parenthesis up to the one that closes it.
fn length(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    let close = tokens.iter().position(|token| {
        depth += usize::from(opens(token));
        depth = depth.saturating_sub(usize::from(closes(token)));
        depth == 0
    });
    close.map_or(tokens.len(), |close| close + 1)
}

/// Returns whether these parentheses hold a query, which has its own tables.
fn is_query(tokens: &[Token<'_>]) -> bool {
    match tokens.get(1) {
        Some(first) if opens(first) => {
            // A union of queries that have parentheses themselves.
            let next = tokens.get(1 + length(&tokens[1..]));
            is_query(&tokens[1..]) && next.is_some_and(|next| SET_OPERATIONS.iter().any(|word| next.is_word(word)))
        }
        Some(first) => ["SELECT", "WITH", "VALUES"].iter().any(|word| first.is_word(word)),
        None => false,
    }
}

/// Returns whether these parentheses hold a join.
fn joins(tokens: &[Token<'_>]) -> bool {
    let inner = &tokens[1..length(tokens).saturating_sub(1).max(1)];
    Outermost::outer(inner).into_iter().any(|at| inner[at].is_word("JOIN"))
}
