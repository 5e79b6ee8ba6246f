-- One index on hits instead of two: a message has at most some dozens, which are sorted when they are shown, and
-- each index is a page more for every look that is recorded.
DROP INDEX hit_by_message;
