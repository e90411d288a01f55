using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using McpCan.Server;
using McpCan.Server.Access;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Xunit;

namespace McpCan.Tests;

/// <summary>
/// The whole server on a port of its own, with a data folder and a database of its own, inside the test process.
/// Use it as a class fixture; one test class runs on <see cref="SqliteApp"/> and on <see cref="PostgresApp"/>.
/// </summary>
public abstract class TestApp : IAsyncLifetime
{
    private readonly List<HttpClient> _clients = [];
    private readonly StringWriter _banner = new();
    private WebApplication? _app;
    private string? _database;
    private Dictionary<string, HttpClient> _byRole = [];

    /// <summary>Data folder.</summary>
    public string Data { get => field ??= Directory.CreateTempSubdirectory("mcpcan-test-").FullName; protected init; }
    /// <summary>Whether the end removes the data folder.</summary>
    protected bool OwnsData { get; init; } = true;
    /// <summary>The database setting.</summary>
    public string Database => _database ?? throw new InvalidOperationException("The server was not started yet.");
    /// <summary>The server's clock.</summary>
    public TestClock Clock { get; } = new();
    /// <summary>The server's log.</summary>
    public LogCollector Log { get; } = new();
    /// <summary>Settings beside port, data folder and database, by property name. Change them before the start.</summary>
    public Dictionary<string, string?> Settings { get; } = new() { [nameof(McpCanOptions.LoginsPerMinute)] = "1000", [nameof(McpCanOptions.BridgePath)] = TestBridge.Path, [nameof(McpCanOptions.EgressAllow)] = "loopback" };
    /// <summary>Address without a trailing slash.</summary>
    public string Url => _app!.Urls.First();
    /// <summary>The server's services, to arrange what HTTP cannot.</summary>
    public IServiceProvider Services => _app!.Services;
    /// <summary>The start banner.</summary>
    public string Banner => _banner.ToString();
    /// <summary>The set-up code that the banner shows, while there is no user.</summary>
    public string SetupCode => Regex.Match(Banner, "[A-Z2-9]{4}(-[A-Z2-9]{4}){3}").Value;

    /// <summary>With an administrator's API key.</summary>
    public HttpClient Admin => _byRole[Roles.Admin];
    /// <summary>With an operator's API key.</summary>
    public HttpClient Operator => _byRole[Roles.Operator];
    /// <summary>With a viewer's API key.</summary>
    public HttpClient Viewer => _byRole[Roles.Viewer];
    /// <summary>Nobody.</summary>
    public HttpClient Nobody => _byRole[""];

    /// <summary>The database setting.</summary>
    protected abstract Task<string> NewDatabaseAsync();

    /// <summary>Replaces services.</summary>
    protected virtual void Configure(WebApplicationBuilder builder)
    {
    }

    /// <summary>A client of its own, with a cookie jar, that follows no redirects.</summary>
    public HttpClient NewClient(string? bearer = null)
    {
        var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, CookieContainer = new CookieContainer() }) { BaseAddress = new Uri(Url + "/") };
        if (bearer is not null) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
        _clients.Add(client);
        return client;
    }

    /// <summary>A client with a new API key of the role.</summary>
    public async Task<HttpClient> NewClientAsync(string role) => NewClient((await KeyAsync(role)).Value);

    /// <summary>Posts one of the forms under <c>/auth</c> as the page would, antiforgery field included.</summary>
    public static async Task<HttpResponseMessage> PostFormAsync(HttpClient client, string path, params (string Name, string Value)[] fields)
    {
        var antiforgery = await client.GetFromJsonAsync<JsonElement>("test/form");
        var form = fields.Select(f => KeyValuePair.Create(f.Name, f.Value)).Append(KeyValuePair.Create(antiforgery.GetProperty("field").GetString()!, antiforgery.GetProperty("value").GetString()!));
        return await client.PostAsync(new Uri(path, UriKind.Relative), new FormUrlEncodedContent(form));
    }

    /// <summary>A browser that is signed in as a new user of the role, with the header that writes need.</summary>
    public async Task<HttpClient> SignedInAsync(string role, string? userName = null)
    {
        userName ??= $"{role}-{Guid.NewGuid():N}"[..20];
        (await Admin.PostAsJsonAsync("api/v1/users", new { userName, password = Password, role })).EnsureSuccessStatusCode();
        var browser = NewClient();
        var answer = await PostFormAsync(browser, "auth/login", ("userName", userName), ("password", Password));
        Assert.Equal("/", answer.Headers.Location?.ToString());
        browser.DefaultRequestHeaders.Add("X-MCPCAN-CSRF", "1");
        return browser;
    }

    /// <summary>Whether a stop ends the servers, as Ctrl-C does; set to false for a restart that finds them again.</summary>
    public bool EndWorkloads { get; set; } = true;

    /// <summary>The password of all test users.</summary>
    public const string Password = "correct horse battery";

    /// <summary>Stops the server and starts it again on the same data.</summary>
    public async Task RestartAsync()
    {
        await StopAsync();
        await StartAsync();
    }

    public async ValueTask InitializeAsync()
    {
        _database = await NewDatabaseAsync();
        await StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        GC.SuppressFinalize(this);
        if (OwnsData) Directory.Delete(Data, recursive: true);
    }

    private async Task StartAsync()
    {
        var settings = new Dictionary<string, string?>(Settings) { [nameof(McpCanOptions.Port)] = "0", [nameof(McpCanOptions.Data)] = Data, [nameof(McpCanOptions.Database)] = _database };
        _banner.GetStringBuilder().Clear();
        _app = ServerApp.Build(settings, builder =>
        {
            builder.Logging.ClearProviders().AddProvider(Log).AddFilter<LogCollector>(l => l >= LogLevel.Debug);
            builder.Services.Replace(ServiceDescriptor.Singleton<TimeProvider>(Clock));
            builder.Services.Replace(ServiceDescriptor.Singleton(new BannerOutput(_banner)));
            Configure(builder);
        });
        _app.Services.GetRequiredService<DataFolder>().Lock(shared: _database != "sqlite");
        _app.MapGet("/test/form", (IAntiforgery antiforgery, HttpContext context) =>
        {
            var tokens = antiforgery.GetAndStoreTokens(context);
            return new { field = tokens.FormFieldName, value = tokens.RequestToken };
        }).AllowAnonymous();
        await _app.StartAsync();
        _byRole = new Dictionary<string, HttpClient> { [""] = NewClient() };
        foreach (var role in Roles.All) _byRole[role] = await NewClientAsync(role);
    }

    /// <summary>Stops the server; <see cref="RestartAsync"/> starts it again.</summary>
    public async Task StopAsync()
    {
        foreach (var client in _clients) client.Dispose();
        _clients.Clear();
        if (_app is null) return;
        if (Services.GetService<McpCan.Server.Instances.WorkloadShutdown>() is { } shutdown) shutdown.EndWorkloads = EndWorkloads;
        await _app.StopAsync();
        await _app.DisposeAsync();
        _app = null;
    }

    private Task<(ApiKey Key, string Value)> KeyAsync(string role) =>
        Services.GetRequiredService<ApiKeyManager>().CreateAsync(new ApiKeyInput($"test {role}", role), "test", CancellationToken.None);
}

/// <summary>On SQLite.</summary>
public class SqliteApp : TestApp
{
    protected override Task<string> NewDatabaseAsync() => Task.FromResult("sqlite");
}

/// <summary>On PostgreSQL.</summary>
public class PostgresApp : TestApp
{
    protected override Task<string> NewDatabaseAsync() => PostgresServer.NewDatabaseAsync();
}

/// <summary>A further process on the database of a first one, with the same data folder unless <paramref name="ownFolder"/>.</summary>
public sealed class ReplicaApp : TestApp
{
    private readonly string _shared;

    public ReplicaApp(TestApp first, string role = "all", bool ownFolder = false)
    {
        _shared = first.Database;
        if (!ownFolder) (Data, OwnsData) = (first.Data, false);
        Settings[nameof(McpCanOptions.Role)] = role;
    }

    protected override Task<string> NewDatabaseAsync() => Task.FromResult(_shared);
}
