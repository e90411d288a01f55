using System.Net.Http.Json;
using System.Text.Json;
using McpCan.FunctionalTests.Replicas;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>Bundles (.mcpb): started as their manifest says, with what they ask for.</summary>
public abstract class BundleTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private const string Manifest = """
        {"manifest_version":"0.2","name":"weather","version":"1.0.0",
         "server":{"type":"python","entry_point":"server/main.py","mcp_config":{"command":"python","args":["${__dirname}/server/main.py","--place","${user_config.place}"],
           "env":{"API_KEY":"${user_config.key}","AUTH":"Bearer ${user_config.key}"}}},
         "user_config":{"key":{"type":"string","title":"Access key","sensitive":true,"required":true},"place":{"type":"string","default":"Oslo"}}}
        """;
    private static readonly string Server = "import sys, os\nos.environ['PLACE'] = ' '.join(sys.argv[1:])\n" + TinyServers.Echo;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Bundle_RunsWithWhatItAsksFor_AndSaysWhatIsMissing()
    {
        var package = await UploadAsync();
        var detected = package.GetProperty("detected");
        Assert.Equal("weather", package.GetProperty("name").GetString());
        Assert.Equal(["API_KEY Access key True True", "USER_CONFIG_PLACE place False False"], detected.GetProperty("parameters").EnumerateArray()
            .Select(p => $"{p.GetProperty("variable").GetString()} {p.GetProperty("title").GetString()} {p.GetProperty("required").GetBoolean()} {p.GetProperty("sensitive").GetBoolean()}"));

        var id = await CreateAsync(package);
        var failed = await app.Operator.BecomesAsync(id, "Failed");
        Assert.Contains("API_KEY", failed.GetProperty("status").GetProperty("reason").GetString(), StringComparison.Ordinal);
        (await app.Operator.PatchAsJsonAsync($"api/v1/instances/{id}", new { env = new Dictionary<string, object> { ["API_KEY"] = new { secret = "sesame" } } }, Cancel)).EnsureSuccessStatusCode();
        await app.Operator.BecomesAsync(id, "Running");

        var client = new TinyClient(app, $"mcp-gateway/{id}/mcp", (await app.Operator.TokenAsync(id)).Value);
        await client.ConnectAsync();
        Assert.Equal("Bearer sesame", await client.CallAsync("env", new { name = "AUTH" }));
        Assert.Equal("--place Oslo", await client.CallAsync("env", new { name = "PLACE" }));
        Assert.DoesNotContain("sesame", await app.Viewer.GetStringAsync($"api/v1/instances/{id}", Cancel), StringComparison.Ordinal);
        await app.Operator.RemoveAsync(id);
    }

    private async Task<JsonElement> UploadAsync()
    {
        using var form = new MultipartFormDataContent { { new ByteArrayContent(Archives.Zip(("manifest.json", Manifest), ("server/main.py", Server))), "file", "weather.mcpb" } };
        var answer = await app.Operator.PostAsync("api/v1/packages", form, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private async Task<string> CreateAsync(JsonElement package)
    {
        var answer = await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "bundle", source = new { type = "package", packageId = Fleet.Id(package) } }, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return Fleet.Id(await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel));
    }
}

public sealed class BundleTestsOnSqlite(SqliteApp app) : BundleTests<SqliteApp>(app);

public sealed class BundleTestsOnPostgres(PostgresApp app) : BundleTests<PostgresApp>(app);
