"""The node's HTTP surface: what tills, integrations and the command line ask of a running node.

Rule: a handler reads the request into the words of `commands.requests`, calls the node once and writes the answer;
it decides nothing. What a body must look like is in `models` and `queries`, what it must mean in `translation`.

    routes          every address there is
    typed           how a request becomes the arguments of a handler, by its signature
    openapi         the same signatures as a document; problem_codes, shown: what it says of answers
    playground      the page on which the document is tried
    authentication  whose token it is; nothing but health goes without one
    bodies          JSON or MessagePack to one Python value
    refusals        what a command refuses, as a problem answer
    movements, stock, sync, health, operators       the handlers
    skus            search, scans and links: what the catalogue has beside
    documents       the handlers of every declared collection; document_models: the shapes made of its declaration
    data_dictionary the same declarations as a page, node/DATA.md
"""
