/** Shows the API with Swagger UI. Requests carry the token of the films' page, or one that is asked for. */

const TOKEN_KEY = "movierec token";

async function withToken() {
  const first = await fetch("openapi.json", { headers: headers() });
  if (first.status !== 401) return;
  const token = prompt("This server needs a token.");
  if (token) sessionStorage.setItem(TOKEN_KEY, token.trim());
}

function headers() {
  const token = sessionStorage.getItem(TOKEN_KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

withToken().then(() =>
  SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#api",
    deepLinking: true,
    displayRequestDuration: true,
    // Takes no document from elsewhere, and sends none to a validator.
    queryConfigEnabled: false,
    validatorUrl: null,
    requestInterceptor: (request) => ({ ...request, headers: { ...headers(), ...request.headers } }),
  }),
);
