//! What a query says: parsed for PostgreSQL's grammar, its references, rewrites. Pure.

pub mod changes;
mod check;
mod cut;
mod expression;
mod fresh;
mod grouping;
mod identifier;
mod index;
mod keep;
mod layout;
mod logged;
mod newest;
mod part;
mod partition;
mod query;
mod refusal;
mod relation;
mod retention;
mod rewrite;
mod rowwise;
#[cfg(test)]
mod tests;

pub use check::{CheckQuery, check_query};
pub use cut::cut_at_name;
pub use expression::Expression;
pub use fresh::{FreshView, MEMBERS, TRIGGERS, TRIGGERS_OF, asked_by, fresh_view};
pub use grouping::{Grouping, grouping};
pub use identifier::{fold_identifier, parse_name_list, parse_qualified_name};
pub use index::{canonical_index, create_index, index_body, operator_class, option_name, option_value, with_options};
pub use keep::{Kept, kept_body, told_apart};
pub use layout::layout;
pub use logged::{collated, distinct_value, exact_value, without_modifier};
pub use newest::{newest, newest_moment, newest_of_time, window_start};
pub use part::{QueryError, RelationRef};
pub use partition::{
    BOUND, attach, create_like, detach, fill_partition, forget_bound, log_as_whole, move_rows, near, none_of,
    revoke_all, say_bound, settle_index_names, settle_index_names_of, tablespace,
};
pub use query::Query;
pub(crate) use retention::time_cast;
pub use retention::{oldest_kept, oldest_partition_of, retained, unfrozen};
pub use rowwise::is_row_by_row;
