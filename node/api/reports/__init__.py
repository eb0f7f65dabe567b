"""`/v1/reports/...`: the reports of `node.reports` over HTTP; `routes` names every address, `frame` is what they share."""
