"""Published tables, measured again: cell by cell reproduced, deviating, or not measured."""
