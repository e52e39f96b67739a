//! Tables with columns from outside: rows in are rows out, whatever they hold; texts come back as
//! they were given; damage costs an error.

mod damage;
mod fields;
mod golden;
mod model;
mod page;
mod texts;
