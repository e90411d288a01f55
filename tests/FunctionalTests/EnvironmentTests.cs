using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using McpCan.FunctionalTests.Runtimes;
using McpCan.Tests;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests;

/// <summary>Engines that are registered through the API.</summary>
public abstract class EnvironmentTests(TestApp app, string engine)
{
    protected const string Base = "api/v1/environments";
    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("http://127.0.0.1:2375")]
    [InlineData("tcp://192.0.2.1:2375")]
    [InlineData("tcp://user:word@127.0.0.1:2375")]
    [InlineData("unix:///nowhere/docker.sock")]
    [InlineData("/etc/passwd")]
    [InlineData("unix://etc/x")]
    public async Task Address_ThatIsNoSafeWayToAnEngine_IsRefused_AlsoForATest(string address)
    {
        foreach (var path in new[] { Base, Base + "/check" })
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
        await app.Admin.PostAsJsonAsync(Base, new { name = "Bad key", address = "tcp://127.0.0.1:1", tls = new { certificate = pem, key = "nonsense" } }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);

        var made = await MadeAsync(new { name = "With TLS", address = "tcp://127.0.0.1:1", tls = new { certificate = pem, key = secret, certificateAuthority = pem } });
        var id = made.GetProperty("id").GetString()!;
        var check = await CheckedAsync(id);

        Assert.Equal((true, false, false), (made.GetProperty("tls").GetBoolean(), check.GetProperty("reachable").GetBoolean(), check.GetProperty("usable").GetBoolean()));
        Assert.NotEmpty(check.GetProperty("findings").EnumerateArray());
        Assert.NotEqual(JsonValueKind.Null, made.GetProperty("certificateExpiresAt").ValueKind);
        var seen = made.GetRawText() + check.GetRawText() + await app.Admin.GetStringAsync(Base, Cancel);
        Assert.DoesNotContain("PRIVATE KEY", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("BEGIN CERTIFICATE", seen, StringComparison.Ordinal);
        await using (var db = await app.Services.GetRequiredService<IDbContextFactory<Server.McpCanDb>>().CreateDbContextAsync(Cancel))
            Assert.DoesNotContain("PRIVATE KEY", (await db.Environments.SingleAsync(e => e.Id == id, Cancel)).Tls!, StringComparison.Ordinal);
        foreach (var what in new[] { "images", "networks", "events" })
            await app.Viewer.GetAsync($"{Base}/{id}/{what}", Cancel).ProblemAsync(HttpStatusCode.ServiceUnavailable);
        Assert.Equal(HttpStatusCode.NoContent, (await app.Admin.DeleteAsync($"{Base}/{id}", Cancel)).StatusCode);
    }

    [Fact]
    public async Task ThisMachine_IsAlwaysThere_AndOnlyAdministratorsRegister()
    {
        var local = await app.Viewer.GetFromJsonAsync<JsonElement>($"{Base}/local", Cancel);

        Assert.Equal("process", local.GetProperty("kind").GetString());
        await app.Admin.DeleteAsync($"{Base}/local", Cancel).ProblemAsync(HttpStatusCode.Conflict);
        await app.Admin.GetAsync($"{Base}/local/images", Cancel).ProblemAsync(HttpStatusCode.Conflict);
        foreach (var who in new[] { app.Viewer, app.Operator })
            Assert.Equal(HttpStatusCode.Forbidden, (await who.PostAsJsonAsync(Base, new { name = "x", address = "/run/docker.sock" }, Cancel)).StatusCode);
    }

    [Fact]
    public async Task Engine_IsRegistered_Checked_Used_Changed_AndRemovedWhenNobodyIsThere()
    {
        Assert.SkipWhen(Engines.Address(engine) is null, $"No {engine} engine: script/engines starts one where root may.");
        var address = Engines.Address(engine)!.ToString();
        var tried = await (await app.Admin.PostAsJsonAsync(Base + "/check", new { name = "Try", address }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        Assert.True(tried.GetProperty("usable").GetBoolean(), tried.GetRawText());

        var id = (await MadeAsync(new { name = "Builder", address, limits = new { memoryBytes = 1L << 30 } })).GetProperty("id").GetString()!;
        await app.Admin.PostAsJsonAsync(Base, new { name = "Builder", address }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
        var check = await CheckedAsync(id);
        Assert.Equal(engine, check.GetProperty("engine").GetProperty("product").GetString(), ignoreCase: true);
        Assert.True(check.GetProperty("usable").GetBoolean() && check.GetProperty("capacity").GetProperty("diskFreeBytes").GetInt64() > 0, check.GetRawText());
        Assert.Contains((await ListAsync(id, "images")).EnumerateArray(), i => i.GetProperty("isWorkload").GetBoolean());

        Assert.NotEmpty((await ListAsync(id, "networks")).EnumerateArray());

        Assert.Equal(HttpStatusCode.NoContent, (await app.Admin.PostAsync($"{Base}/{id}/default", null, Cancel)).StatusCode);
        await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "Too much", limits = new { memoryBytes = 2L << 30 }, source = new { type = "command", command = "true" } }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
        var server = await (await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "On the default", limits = new { memoryBytes = 256L << 20 }, source = new { type = "command", command = "python3", args = new[] { "-c", TinyServers.Echo } } }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        Assert.Equal(id, server.GetProperty("environment").GetString());
        var instance = server.GetProperty("id").GetString()!;
        await RunsAsync(instance);
        Assert.Equal("before", await CallAsync(instance, "before"));
        await Eventually.HoldsAsync(async () => (await ListAsync(id, "events")).EnumerateArray().Any(e => e.GetProperty("instanceId").GetString() == instance));
        await app.Admin.DeleteAsync($"{Base}/{id}", Cancel).ProblemAsync(HttpStatusCode.Conflict);
        await app.Admin.PatchAsJsonAsync($"{Base}/{id}", new { address = "tcp://127.0.0.1:1" }, Cancel).ProblemAsync(HttpStatusCode.Conflict);
        Assert.Equal("Renamed", (await (await app.Admin.PatchAsJsonAsync($"{Base}/{id}", new { name = "Renamed" }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("name").GetString());

        foreach (var to in new[] { "local", id, "local" })
        {
            Assert.Equal(HttpStatusCode.OK, (await app.Operator.PatchAsJsonAsync($"api/v1/instances/{instance}", new { environment = to }, Cancel)).StatusCode);
            Assert.Equal("on-the-default", (await RunsAsync(instance)).GetProperty("slug").GetString());
            Assert.Equal(to, await CallAsync(instance, to));
        }
        Assert.Equal(HttpStatusCode.NoContent, (await app.Admin.DeleteAsync($"{Base}/{id}", Cancel)).StatusCode);
        Assert.True((await app.Viewer.GetFromJsonAsync<JsonElement>($"{Base}/local", Cancel)).GetProperty("isDefault").GetBoolean());
        await app.Operator.DeleteAsync($"api/v1/instances/{instance}", Cancel);
    }

    [Fact]
    public async Task Engine_ThatStops_TakesItsServersAlongOrNot_AndTheyWorkWhenItIsBack()
    {
        Assert.SkipWhen(Engines.Address(engine) is null, $"No {engine} engine: script/engines starts one where root may.");
        await using var own = await OwnEngine.StartAsync(engine);
        var id = (await MadeAsync(new { name = "Comes and goes", address = own.Address })).GetProperty("id").GetString()!;
        await using (var image = File.OpenRead(RuntimeFixture.Find("artifacts/images/workload.tar")))
        {
            using var content = new StreamContent(image);
            content.Headers.ContentType = new("application/x-tar");
            var loaded = await app.Admin.PostAsync($"{Base}/{id}/images", content, Cancel);
            Assert.True(loaded.IsSuccessStatusCode, await loaded.Content.ReadAsStringAsync(Cancel));
        }
        var server = await (await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "Comes and goes", environment = id, egress = new { mode = "none" }, source = new { type = "command", command = "python3", args = new[] { "-c", TinyServers.Echo } } }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var instance = server.GetProperty("id").GetString()!;
        await RunsAsync(instance);
        Assert.Equal("before", await CallAsync(instance, "before"));

        await own.StopAsync();
        Assert.False((await CheckedAsync(id)).GetProperty("reachable").GetBoolean());
        if (own.KeepsContainers)
        {
            Assert.Equal("meanwhile", await CallAsync(instance, "meanwhile"));
        }
        else
        {
            JsonElement status = default;
            await Eventually.HoldsAsync(async () => (status = (await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{instance}", Cancel)).GetProperty("status")).GetProperty("state").GetString() == "Unknown");
            Assert.Contains("engine", status.GetProperty("reason").GetString(), StringComparison.OrdinalIgnoreCase);
        }

        await own.StartAsync();
        await RunsAsync(instance);
        Assert.Equal("after", await CallAsync(instance, "after"));
        Assert.Equal(HttpStatusCode.Accepted, (await app.Operator.DeleteAsync($"api/v1/instances/{instance}", Cancel)).StatusCode);
        await Eventually.HoldsAsync(async () => (await app.Admin.DeleteAsync($"{Base}/{id}", Cancel)).StatusCode == HttpStatusCode.NoContent);
    }

    [Fact]
    public async Task Server_ThatIsStartedWhileItsEngineIsAway_WaitsForIt()
    {
        Assert.SkipWhen(Engines.Address(engine) is null, $"No {engine} engine: script/engines starts one where root may.");
        await using var own = await OwnEngine.StartAsync(engine);
        var id = (await MadeAsync(new { name = "Away at first", address = own.Address })).GetProperty("id").GetString()!;
        await own.StopAsync();
        var server = await (await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "Waits", environment = id, egress = new { mode = "none" }, source = new { type = "command", command = "python3", args = new[] { "-c", TinyServers.Echo } } }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var instance = server.GetProperty("id").GetString()!;
        JsonElement status = default;
        await Eventually.HoldsAsync(async () => (status = (await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{instance}", Cancel)).GetProperty("status")).GetProperty("state").GetString() is "Unknown" or "Failed");
        Assert.Equal("Unknown", status.GetProperty("state").GetString());
        Assert.EndsWith("nothing listens there.", status.GetProperty("reason").GetString(), StringComparison.Ordinal);

        await own.StartAsync();
        await RunsAsync(instance);
        Assert.Equal("at last", await CallAsync(instance, "at last"));
        Assert.Equal(HttpStatusCode.Accepted, (await app.Operator.DeleteAsync($"api/v1/instances/{instance}", Cancel)).StatusCode);
        await Eventually.HoldsAsync(async () => (await app.Admin.DeleteAsync($"{Base}/{id}", Cancel)).StatusCode == HttpStatusCode.NoContent);
    }

    protected TestApp App => app;

    protected async Task<JsonElement> MadeAsync(object input)
    {
        var answer = await app.Admin.PostAsJsonAsync(Base, input, Cancel);
        Assert.True(answer.StatusCode == HttpStatusCode.Created, await answer.Content.ReadAsStringAsync(Cancel) + string.Join("\n", app.Log.Errors));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    protected async Task<JsonElement> CheckedAsync(string id) => await (await app.Operator.PostAsync($"{Base}/{id}/check", null, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);

    private Task<JsonElement> ListAsync(string id, string what) => app.Viewer.GetFromJsonAsync<JsonElement>($"{Base}/{id}/{what}", Cancel);

    private async Task<string?> CallAsync(string instance, string text)
    {
        var answer = await (await app.Operator.PostAsJsonAsync($"api/v1/instances/{instance}/tools/echo/call", new { arguments = new { text } }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        return answer.GetProperty("result").GetProperty("content")[0].GetProperty("text").GetString();
    }

    private async Task<JsonElement> RunsAsync(string id)
    {
        JsonElement now = default;
        await Eventually.HoldsAsync(async () => (now = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}", Cancel)).GetProperty("status").GetProperty("state").GetString() is "Running" or "Failed");
        Assert.True(now.GetProperty("status").GetProperty("state").GetString() == "Running", now.GetRawText());
        return now;
    }
}

/// <summary>Docker, on SQLite.</summary>
public sealed class DockerEnvironmentTests(SqliteApp app) : EnvironmentTests(app, "docker"), IClassFixture<SqliteApp>
{
    [Fact]
    public async Task Engine_OverTheNetwork_IsReachedWithItsCertificates_AndOnlyWithThem()
    {
        Assert.SkipWhen(Engines.Address("docker") is null, "No docker engine: script/engines starts one where root may.");
        var (authority, server, client) = Certificates.Signed();
        var (stranger, strangersKey) = Certificates.New("stranger");
        await using var own = await OwnEngine.StartWithTlsAsync(authority, server.Certificate, server.Key);
        object Tls(string? ca, string certificate, string key) => new { certificateAuthority = ca, certificate, key };

        foreach (var wrong in new[] { Tls(authority, stranger, strangersKey), Tls(stranger, client.Certificate, client.Key), Tls(null, client.Certificate, client.Key) })
        {
            var check = await CheckedAsync(await MadeAsync("Wrong", own.TlsAddress!, wrong));
            Assert.False(check.GetProperty("reachable").GetBoolean(), check.GetRawText());
            Assert.Contains("trust", check.GetProperty("findings")[0].GetString(), StringComparison.Ordinal);
        }
        var id = await MadeAsync("Over the network", own.TlsAddress!, Tls(authority, client.Certificate, client.Key));
        var found = await CheckedAsync(id);

        Assert.True(found.GetProperty("reachable").GetBoolean(), found.GetRawText());
        Assert.Equal("Docker", found.GetProperty("engine").GetProperty("product").GetString());
        Assert.NotEmpty((await App.Viewer.GetFromJsonAsync<JsonElement>($"{Base}/{id}/networks", Cancel)).EnumerateArray());
        await App.Admin.DeleteAsync($"{Base}/{id}", Cancel);
    }

    private async Task<string> MadeAsync(string name, string address, object tls) =>
        (await MadeAsync(new { name = $"{name} {Guid.NewGuid():N}"[..24], address, tls })).GetProperty("id").GetString()!;
}

/// <summary>Podman, on PostgreSQL.</summary>
public sealed class PodmanEnvironmentTests(PostgresApp app) : EnvironmentTests(app, "podman"), IClassFixture<PostgresApp>;
