-- What happened at a location on a day is found without walking over all that ever did.
CREATE INDEX movement_by_day ON movement (location, occurred_at);
