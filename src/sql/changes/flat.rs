//! Flat joins: what a query reads, without the shape in which it says so.

use std::collections::BTreeSet;

use crate::state::{QName, quote_ident};

/// One appearance of a table, or of rows that a function makes.
pub(super) type Item = usize;

/// A part of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Column(Item, String),
}

/// SQL text in which columns are places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Expr {
    pub pieces: Vec<Piece>,
}

impl Expr {
    pub fn column(item: Item, name: &str) -> Self {
        Self { pieces: vec![Piece::Column(item, name.to_owned())] }
    }

    /// NULL of a type.
    pub fn null(type_name: &str) -> Self {
        Self { pieces: vec![Piece::Text(format!("{NULL}{type_name}"))] }
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.pieces[..], [Piece::Text(text)] if text.starts_with(NULL))
    }

    /// The column it is, and nothing else.
    pub fn as_column(&self) -> Option<(Item, &str)> {
        match &self.pieces[..] {
            [Piece::Column(item, name)] => Some((*item, name)),
            _ => None,
        }
    }

    pub fn push_text(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }

    /// Another expression within this one.
    pub fn push(&mut self, inner: &Expr) {
        let bare = inner.as_column().is_some();
        if !bare {
            self.push_text("(");
        }
        for piece in &inner.pieces {
            match piece {
                Piece::Text(text) => self.push_text(text),
                Piece::Column(..) => self.pieces.push(piece.clone()),
            }
        }
        if !bare {
            self.push_text(")");
        }
    }

    pub fn cast(&self, type_name: &str) -> Self {
        let mut cast = Self::default();
        cast.push_text("(");
        cast.push(self);
        cast.push_text(&format!(")::{type_name}"));
        cast
    }

    pub fn items(&self) -> BTreeSet<Item> {
        self.columns().map(|(item, _)| item).collect()
    }

    pub fn columns(&self) -> impl Iterator<Item = (Item, &str)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Column(item, name) => Some((*item, name.as_str())),
            Piece::Text(_) => None,
        })
    }

    /// The text, with an alias for every item.
    pub fn text(&self, alias: &dyn Fn(Item) -> String) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Column(item, name) => text.push_str(&format!("{}.{}", alias(*item), quote_ident(name))),
            }
        }
        text
    }
}

const NULL: &str = "NULL::";

/// What an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Table(QName),
    /// What stands behind FROM, and the names of its columns.
    Rows(Expr, Vec<String>),
}

/// A condition that every row of a join meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cond {
    pub expr: Expr,
    pub equality: bool,
    /// It holds only where one of these is there; without any: always. The condition of an outer join says nothing about a row of the
    /// preserved side alone.
    pub with: BTreeSet<Item>,
}

/// A condition that moves with the clock: how a row that crossed it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Crossing {
    pub bound: String,
    pub crossed: Expr,
}

/// A column of a block's result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Output {
    pub name: String,
    /// What it is, where it commutes with the block.
    pub expr: Option<Expr>,
    /// Its type may be another than that of the expression: branches of UNION and the like are brought to one type.
    pub cast: bool,
    /// It is NULL where a join found no row: only conditions that no NULL meets may speak of it.
    pub nullable: bool,
    /// Its type, where a table or a view says it.
    pub type_name: Option<String>,
    pub range: Option<Within>,
}

impl Output {
    pub fn opaque(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The column as it is where the join found no row: NULL, if its type is known.
    pub fn missing(&self) -> Self {
        let expr = self.type_name.as_ref().filter(|_| self.expr.is_some()).map(|type_name| Expr::null(type_name));
        Self { name: self.name.clone(), expr, type_name: self.type_name.clone(), ..Self::default() }
    }
}

/// A range of a column, and where a condition on it may stand in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Within {
    pub column: String,
    pub type_name: String,
    pub step: String,
    pub place: Place,
}

/// Where the text takes a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Around the condition that is there: bytes of it.
    And(usize, usize),
    /// Behind FROM, as the first condition.
    Where(usize),
}

/// One way in which rows come about: a join of items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Flat {
    pub items: Vec<(Item, Kind)>,
    pub conds: Vec<Cond>,
    pub crossings: Vec<Crossing>,
    pub outputs: Vec<Output>,
    /// No row comes about like this.
    pub dead: bool,
}

impl Flat {
    /// Both, side by side, with no result yet.
    pub fn beside(&self, other: &Flat) -> Flat {
        let join = |left: &Vec<Cond>, right: &Vec<Cond>| left.iter().chain(right).cloned().collect();
        Flat {
            items: self.items.iter().chain(&other.items).cloned().collect(),
            conds: join(&self.conds, &other.conds),
            crossings: self.crossings.iter().chain(&other.crossings).cloned().collect(),
            outputs: Vec::new(),
            dead: self.dead || other.dead,
        }
    }

    /// Takes in conditions.
    pub fn take(&mut self, other: Flat) {
        self.conds.extend(other.conds);
        self.crossings.extend(other.crossings);
        self.dead |= other.dead;
    }

    pub fn ids(&self) -> BTreeSet<Item> {
        self.items.iter().map(|(item, _)| *item).collect()
    }
}
