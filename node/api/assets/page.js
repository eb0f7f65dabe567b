"use strict";

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null, // otherwise the page would ask swagger.io about this document
  queryConfigEnabled: false, // no address in a link makes this page show another site's document
  persistAuthorization: false, // a token is gone with the page
});
