//! Two databases of one line, gone apart.
