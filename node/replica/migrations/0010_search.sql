-- Finding SKUs by words and by barcodes. Their documents from before are put in piece by piece, while tills sell.
CREATE TABLE sku_text (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    archived INTEGER NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    barcodes TEXT NOT NULL,
    sort TEXT NOT NULL,
    more TEXT NOT NULL
) STRICT;

CREATE VIRTUAL TABLE sku_search USING fts5(
    code, name, barcodes, sort, more,
    content='sku_text', content_rowid='position', tokenize='ascii', prefix='1 2'
);

CREATE TABLE sku_barcode (
    code TEXT NOT NULL,
    sku TEXT NOT NULL,
    confirmed INTEGER NOT NULL,
    PRIMARY KEY (code, sku)
) STRICT, WITHOUT ROWID;

CREATE INDEX sku_barcode_by_sku ON sku_barcode (sku);
CREATE INDEX sku_barcode_to_confirm ON sku_barcode (sku) WHERE confirmed = 0;

CREATE TABLE indexing (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    after TEXT NOT NULL
) STRICT;

INSERT INTO indexing (only, after) VALUES (1, '');
