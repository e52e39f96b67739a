//! Event loops, connections and limits that put a table on the network.
