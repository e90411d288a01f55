// One program, one role a run:
//   BareProxy server PORT       the least HTTP MCP server: no child, no session table, answers made of the request's bytes
//   BareProxy yarp PORT URL     plain YARP in front of it
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Yarp.ReverseProxy.Configuration;

var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = [] });
builder.Logging.ClearProviders();
builder.WebHost.ConfigureKestrel(k =>
{
    k.AddServerHeader = false;
    k.Limits.MaxRequestBodySize = 64 << 20;
    k.ListenLocalhost(int.Parse(args[1]), l => l.Protocols = HttpProtocols.Http1);
});
switch (args[0])
{
    case "server":
        var server = builder.Build();
        server.MapPost("/mcp", (RequestDelegate)EchoServer.Post);
        server.MapDelete("/mcp", (RequestDelegate)(_ => Task.CompletedTask));
        server.MapGet("/mcp", (RequestDelegate)(context => { context.Response.StatusCode = 405; return Task.CompletedTask; }));
        server.Run();
        break;
    case "yarp":
        builder.Services.AddReverseProxy().LoadFromMemory(
            [new RouteConfig { RouteId = "all", ClusterId = "one", Match = new RouteMatch { Path = "{**all}" } }],
            [new ClusterConfig { ClusterId = "one", Destinations = new Dictionary<string, DestinationConfig> { ["server"] = new() { Address = args[2] } } }]);
        var proxy = builder.Build();
        proxy.MapReverseProxy();
        proxy.Run();
        break;
    default:
        throw new ArgumentException(args[0]);
}
