// The least Kestrel program that does only pipe <-> HTTP: bare-bridge PORT command args...
using Microsoft.AspNetCore.Server.Kestrel.Core;

var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = [] });
builder.Logging.ClearProviders();
builder.WebHost.ConfigureKestrel(k =>
{
    k.AddServerHeader = false;
    k.Limits.MaxRequestBodySize = 64 << 20;
    k.ListenLocalhost(int.Parse(args[0]), l => l.Protocols = HttpProtocols.Http1);
});
var app = builder.Build();
await Bridge.Map(app, args[1], args[2..], sse: false);
app.Run();
