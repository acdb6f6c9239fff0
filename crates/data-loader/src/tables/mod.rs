//! How are the rows of tables read that may be larger than memory?
//!
//! CSV lies by rows: an index says where each begins, and a row is cut when it is asked for. Parquet and Arrow lie by columns: a block
//! of rows is decoded when one of them is asked for, and a few blocks are kept.

pub(crate) mod block_cache;
pub(crate) mod cells;
pub(crate) mod columnar;
pub(crate) mod csv_header;
pub(crate) mod csv_rows;
pub(crate) mod csv_table;
pub(crate) mod number;
pub(crate) mod parquet_chunks;
pub(crate) mod parquet_pages;
pub(crate) mod row_index;
