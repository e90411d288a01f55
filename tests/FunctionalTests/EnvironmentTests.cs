using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using McpCan.Tests;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests;

/// <summary>Engines that are registered through the API.</summary>
public abstract class EnvironmentTests(TestApp app, string engine)
{
    private const string Path = "api/v1/environments";
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("http://127.0.0.1:2375")]
    [InlineData("tcp://192.0.2.1:2375")]
    [InlineData("tcp://user:word@127.0.0.1:2375")]
    [InlineData("unix:///nowhere/docker.sock")]
    [InlineData("/etc/passwd")]
    [InlineData("unix://etc/x")]
    public async Task Address_ThatIsNoSafeWayToAnEngine_IsRefused_AlsoForATest(string address)
    {
        foreach (var path in new[] { Path, Path + "/check" })
        {
            var problem = await app.Admin.PostAsJsonAsync(path, new { name = "Refused", address }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
            Assert.NotEqual("", problem.GetProperty("errors").GetProperty("address")[0].GetString());
        }
    }

    [Fact]
    public async Task Certificates_AreStoredEncrypted_NeverShown_AndAnEngineThatIsDownIsSaidInWords()
    {
        using var key = RSA.Create(2048);
        using var certificate = new CertificateRequest("CN=mcpcan", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(30));
        var (pem, secret) = (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
        await app.Admin.PostAsJsonAsync(Path, new { name = "Bad key", address = "tcp://127.0.0.1:1", tls = new { certificate = pem, key = "nonsense" } }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);

        var made = await MadeAsync(new { name = "With TLS", address = "tcp://127.0.0.1:1", tls = new { certificate = pem, key = secret, certificateAuthority = pem } });
        var id = made.GetProperty("id").GetString()!;
        var check = await CheckedAsync(id);

        Assert.Equal((true, false, false), (made.GetProperty("tls").GetBoolean(), check.GetProperty("reachable").GetBoolean(), check.GetProperty("usable").GetBoolean()));
        Assert.NotEmpty(check.GetProperty("findings").EnumerateArray());
        Assert.NotEqual(JsonValueKind.Null, made.GetProperty("certificateExpiresAt").ValueKind);
        var seen = made.GetRawText() + check.GetRawText() + await app.Admin.GetStringAsync(Path, Cancel);
        Assert.DoesNotContain("PRIVATE KEY", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("BEGIN CERTIFICATE", seen, StringComparison.Ordinal);
        await using (var db = await app.Services.GetRequiredService<IDbContextFactory<Server.McpCanDb>>().CreateDbContextAsync(Cancel))
            Assert.DoesNotContain("PRIVATE KEY", (await db.Environments.SingleAsync(e => e.Id == id, Cancel)).Tls!, StringComparison.Ordinal);
        foreach (var what in new[] { "images", "networks", "events" })
            await app.Viewer.GetAsync($"{Path}/{id}/{what}", Cancel).ProblemAsync(HttpStatusCode.ServiceUnavailable);
        Assert.Equal(HttpStatusCode.NoContent, (await app.Admin.DeleteAsync($"{Path}/{id}", Cancel)).StatusCode);
    }

    [Fact]
    public async Task ThisMachine_IsAlwaysThere_AndOnlyAdministratorsRegister()
    {
        var local = await app.Viewer.GetFromJsonAsync<JsonElement>($"{Path}/local", Cancel);

        Assert.Equal("process", local.GetProperty("kind").GetString());
        await app.Admin.DeleteAsync($"{Path}/local", Cancel).ProblemAsync(HttpStatusCode.Conflict);
        await app.Admin.GetAsync($"{Path}/local/images", Cancel).ProblemAsync(HttpStatusCode.Conflict);
        foreach (var who in new[] { app.Viewer, app.Operator })
            Assert.Equal(HttpStatusCode.Forbidden, (await who.PostAsJsonAsync(Path, new { name = "x", address = "/run/docker.sock" }, Cancel)).StatusCode);
    }

    [Fact]
    public async Task Engine_IsRegistered_Checked_Used_Changed_AndRemovedWhenNobodyIsThere()
    {
        Assert.SkipWhen(Engines.Address(engine) is null, $"No {engine} engine: script/engines starts one where root may.");
        var address = Engines.Address(engine)!.ToString();
        var tried = await (await app.Admin.PostAsJsonAsync(Path + "/check", new { name = "Try", address }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        Assert.True(tried.GetProperty("usable").GetBoolean(), tried.GetRawText());

        var id = (await MadeAsync(new { name = "Builder", address, limits = new { memoryBytes = 1L << 30 } })).GetProperty("id").GetString()!;
        await app.Admin.PostAsJsonAsync(Path, new { name = "Builder", address }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
        var check = await CheckedAsync(id);
        Assert.Equal(engine, check.GetProperty("engine").GetProperty("product").GetString(), ignoreCase: true);
        Assert.True(check.GetProperty("usable").GetBoolean() && check.GetProperty("capacity").GetProperty("diskFreeBytes").GetInt64() > 0, check.GetRawText());
        Assert.Contains((await ListAsync(id, "images")).EnumerateArray(), i => i.GetProperty("isWorkload").GetBoolean());

        Assert.NotEmpty((await ListAsync(id, "networks")).EnumerateArray());

        Assert.Equal(HttpStatusCode.NoContent, (await app.Admin.PostAsync($"{Path}/{id}/default", null, Cancel)).StatusCode);
        await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "Too much", limits = new { memoryBytes = 2L << 30 }, source = new { type = "command", command = "true" } }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
        var server = await (await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "On the default", limits = new { memoryBytes = 256L << 20 }, source = new { type = "command", command = "python3", args = new[] { "-c", TinyServers.Echo } } }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        Assert.Equal(id, server.GetProperty("environment").GetString());
        var instance = server.GetProperty("id").GetString()!;
        await RunsAsync(instance);
        Assert.Contains((await ListAsync(id, "events")).EnumerateArray(), e => e.GetProperty("instanceId").GetString() == instance);
        await app.Admin.DeleteAsync($"{Path}/{id}", Cancel).ProblemAsync(HttpStatusCode.Conflict);
        await app.Admin.PatchAsJsonAsync($"{Path}/{id}", new { address = "tcp://127.0.0.1:1" }, Cancel).ProblemAsync(HttpStatusCode.Conflict);
        Assert.Equal("Renamed", (await (await app.Admin.PatchAsJsonAsync($"{Path}/{id}", new { name = "Renamed" }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("name").GetString());

        foreach (var to in new[] { "local", id, "local" })
        {
            Assert.Equal(HttpStatusCode.OK, (await app.Operator.PatchAsJsonAsync($"api/v1/instances/{instance}", new { environment = to }, Cancel)).StatusCode);
            Assert.Equal("on-the-default", (await RunsAsync(instance)).GetProperty("slug").GetString());
        }
        Assert.Equal(HttpStatusCode.NoContent, (await app.Admin.DeleteAsync($"{Path}/{id}", Cancel)).StatusCode);
        Assert.True((await app.Viewer.GetFromJsonAsync<JsonElement>($"{Path}/local", Cancel)).GetProperty("isDefault").GetBoolean());
        await app.Operator.DeleteAsync($"api/v1/instances/{instance}", Cancel);
    }

    private async Task<JsonElement> MadeAsync(object input)
    {
        var answer = await app.Admin.PostAsJsonAsync(Path, input, Cancel);
        Assert.True(answer.StatusCode == HttpStatusCode.Created, await answer.Content.ReadAsStringAsync(Cancel) + string.Join("\n", app.Log.Errors));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private async Task<JsonElement> CheckedAsync(string id) => await (await app.Operator.PostAsync($"{Path}/{id}/check", null, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);

    private Task<JsonElement> ListAsync(string id, string what) => app.Viewer.GetFromJsonAsync<JsonElement>($"{Path}/{id}/{what}", Cancel);

    private async Task<JsonElement> RunsAsync(string id)
    {
        JsonElement now = default;
        await Eventually.HoldsAsync(async () => (now = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}", Cancel)).GetProperty("status").GetProperty("state").GetString() is "Running" or "Failed");
        Assert.True(now.GetProperty("status").GetProperty("state").GetString() == "Running", now.GetRawText());
        return now;
    }
}

/// <summary>Docker, on SQLite.</summary>
public sealed class DockerEnvironmentTests(SqliteApp app) : EnvironmentTests(app, "docker"), IClassFixture<SqliteApp>;

/// <summary>Podman, on PostgreSQL.</summary>
public sealed class PodmanEnvironmentTests(PostgresApp app) : EnvironmentTests(app, "podman"), IClassFixture<PostgresApp>;
