"""What any daemon of ours needs from the machine; it knows no stock.

Rule: nothing here imports `protocol`, `node` or `hub`, and no name here means anything in a shop.
"""
