//! Write a mapper: what Amazon's orders and transactions mean for your books.
