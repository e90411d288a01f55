using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using McpCan.Server.Hosting;
using McpCan.Server.Packages;
using McpCan.Tests;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace McpCan.FunctionalTests.Packages;

/// <summary>Says that the packages it is told of are in use.</summary>
public sealed class FakeUsage : IPackageUsage
{
    public HashSet<string> InUse { get; } = [];
    public Task<IReadOnlyList<PackageUser>> UsersOfAsync(string packageId, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<PackageUser>>(InUse.Contains(packageId) ? [new("i-1", "weather", 1)] : []);
}

public abstract class PackageTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static readonly byte[] Good = PackageUploads.Good;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static string NewName() => "p " + Guid.NewGuid().ToString("N");

    private static MultipartFormDataContent Form(byte[] archive, string fileName = "code.zip", string? name = null)
    {
        var form = new MultipartFormDataContent { { new ByteArrayContent(archive), "file", fileName } };
        if (name is not null) form.Add(new StringContent(name), "name");
        return form;
    }

    private Task<HttpResponseMessage> PostAsync(HttpContent content, string path = "api/v1/packages") => app.Operator.PostAsync(path, content, Cancel);

    private async Task<JsonElement> UploadAsync(byte[] archive, string fileName = "code.zip", string? name = null, string path = "api/v1/packages")
    {
        var answer = await PostAsync(Form(archive, fileName, name ?? (path == "api/v1/packages" ? NewName() : null)), path);
        Assert.True(answer.StatusCode == HttpStatusCode.Created, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private string[] Stored() => [.. Directory.EnumerateFileSystemEntries(Path.Combine(app.Data, "packages"), "*", SearchOption.AllDirectories).Order()];

    /// <summary>The call is refused and leaves nothing on disk.</summary>
    private async Task RefusedAsync(HttpContent content, HttpStatusCode status, string code, string path = "api/v1/packages")
    {
        var before = Stored();
        await PostAsync(content, path).ProblemAsync(status, code);
        Assert.Equal(before, Stored());
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(app.Data, "tmp")));
    }

    [Fact]
    public async Task Upload_SaysWhatWasDetected_AndGivesTheSameBytesBack()
    {
        var name = NewName();
        var made = await UploadAsync(Good, "My Code (1).zip", name);

        Assert.Equal(name, made.GetProperty("name").GetString());
        Assert.Equal(1, made.GetProperty("version").GetInt32());
        Assert.Equal("python", made.GetProperty("detected").GetProperty("runtime").GetString());
        Assert.Equal(["python3", "server.py"], made.GetProperty("detected").GetProperty("start").EnumerateArray().Select(e => e.GetString()));
        var version = made.GetProperty("versions")[0];
        Assert.Equal("My-Code--1.zip", version.GetProperty("fileName").GetString());
        Assert.Equal(Good.Length, version.GetProperty("size").GetInt64());
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Good)), version.GetProperty("sha256").GetString());
        Assert.StartsWith("key:", version.GetProperty("uploadedBy").GetString(), StringComparison.Ordinal);

        var download = await app.Viewer.GetAsync($"api/v1/packages/{made.GetProperty("id").GetString()}/versions/1/download", Cancel);
        Assert.Equal(Good, await download.Content.ReadAsByteArrayAsync(Cancel));
        Assert.Equal("attachment; filename=My-Code--1.zip; filename*=UTF-8''My-Code--1.zip", download.Content.Headers.ContentDisposition?.ToString());
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(app.Data, "tmp")));
    }

    [Fact]
    public async Task Upload_WithoutName_TakesTheProjectsOrTheFiles()
    {
        var own = NewName();
        var first = await PostAsync(Form(Archives.TarGz(("package/package.json", JsonSerializer.Serialize(new { name = own })), ("package/index.js", "")), "x.tgz"));
        var second = await PostAsync(Form(Good, $"{own.Replace(' ', '-')}.zip"));

        Assert.Equal(own, (await first.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("name").GetString());
        Assert.Equal(own.Replace(' ', '-'), (await second.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("name").GetString());
    }

    [Fact]
    public async Task Upload_SameName_IsAConflict()
    {
        var made = await UploadAsync(Good);

        await RefusedAsync(Form(Good, name: made.GetProperty("name").GetString()), HttpStatusCode.Conflict, "name-taken");
    }

    [Fact]
    public async Task Upload_ManyAtOnceWithOneName_OneWins()
    {
        var name = NewName();

        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => PostAsync(Form(Good, name: name))));

        Assert.Single(answers, a => a.StatusCode == HttpStatusCode.Created);
        Assert.Equal(5, answers.Count(a => a.StatusCode == HttpStatusCode.Conflict));
    }

    [Fact]
    public async Task Versions_AreNumberedInTurn()
    {
        var id = (await UploadAsync(Good)).GetProperty("id").GetString();
        var other = Archives.TarGz(("index.js", ""));

        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => UploadAsync(other, "b.tar.gz", path: $"api/v1/packages/{id}/versions")));

        var package = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/packages/{id}", Cancel);
        Assert.Equal([1, 2, 3, 4, 5, 6], package.GetProperty("versions").EnumerateArray().Select(v => v.GetProperty("version").GetInt32()));
        Assert.Equal(6, package.GetProperty("version").GetInt32());
        Assert.Equal("node", package.GetProperty("detected").GetProperty("runtime").GetString());
        Assert.Equal(Good, await app.Viewer.GetByteArrayAsync($"api/v1/packages/{id}/versions/1/download", Cancel));
        Assert.Equal(other, await app.Viewer.GetByteArrayAsync($"api/v1/packages/{id}/versions/6/download", Cancel));
        await app.Viewer.GetAsync($"api/v1/packages/{id}/versions/7/download", Cancel).ProblemAsync(HttpStatusCode.NotFound, "not-found");
    }

    [Fact]
    public async Task List_FindsByName()
    {
        var made = await UploadAsync(Good);

        var found = await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/packages?search={made.GetProperty("name").GetString()![4..]}", Cancel);

        Assert.Equal(1, found.GetProperty("total").GetInt32());
        Assert.Equal(made.GetProperty("id").GetString(), found.GetProperty("items")[0].GetProperty("id").GetString());
    }

    [Fact]
    public async Task Delete_RemovesRowsAndFiles()
    {
        var id = (await UploadAsync(Good)).GetProperty("id").GetString();

        Assert.Equal(HttpStatusCode.NoContent, (await app.Operator.DeleteAsync($"api/v1/packages/{id}", Cancel)).StatusCode);

        await app.Viewer.GetAsync($"api/v1/packages/{id}", Cancel).ProblemAsync(HttpStatusCode.NotFound);
        await app.Operator.DeleteAsync($"api/v1/packages/{id}", Cancel).ProblemAsync(HttpStatusCode.NotFound);
        Assert.DoesNotContain(Stored(), f => f.Contains(id!, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Delete_InUse_IsRefusedAndNamesTheInstance()
    {
        var id = (await UploadAsync(Good)).GetProperty("id").GetString()!;
        app.Services.GetRequiredService<FakeUsage>().InUse.Add(id);

        var problem = await app.Operator.DeleteAsync($"api/v1/packages/{id}", Cancel).ProblemAsync(HttpStatusCode.Conflict, "in-use");

        Assert.Contains("weather", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(Good, await app.Viewer.GetByteArrayAsync($"api/v1/packages/{id}/versions/1/download", Cancel));
    }

    [Fact]
    public async Task Viewer_MayNotUploadOrDelete()
    {
        await app.Viewer.PostAsync("api/v1/packages", Form(Good), Cancel).ProblemAsync(HttpStatusCode.Forbidden);
        await app.Viewer.PostAsync("api/v1/packages/p-x/versions", Form(Good), Cancel).ProblemAsync(HttpStatusCode.Forbidden);
        await app.Viewer.DeleteAsync("api/v1/packages/p-x", Cancel).ProblemAsync(HttpStatusCode.Forbidden);
        await app.Nobody.GetAsync("api/v1/packages/p-x/versions/1/download", Cancel).ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Theory]
    [MemberData(nameof(PackageUploads.BadArchives), MemberType = typeof(PackageUploads), DisableDiscoveryEnumeration = true)]
    public async Task Upload_BadArchive_IsRefusedAndLeavesNothing(string what, byte[] archive)
    {
        Assert.NotEmpty(what);
        await RefusedAsync(Form(archive, name: NewName()), HttpStatusCode.BadRequest, "bad-archive");
    }

    [Fact]
    public async Task UploadVersion_BadArchive_LeavesThePackageAsItWas()
    {
        var id = (await UploadAsync(Good)).GetProperty("id").GetString();

        await RefusedAsync(Form(Good[..20]), HttpStatusCode.BadRequest, "bad-archive", $"api/v1/packages/{id}/versions");
        await RefusedAsync(Form(Good), HttpStatusCode.NotFound, "not-found", "api/v1/packages/p-nothing/versions");

        Assert.Single((await app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/packages/{id}", Cancel)).GetProperty("versions").EnumerateArray());
    }

    [Fact]
    public async Task Upload_TooLarge_Is413()
    {
        var noise = new byte[PackageUploads.MaxBytes + 1];
        Random.Shared.NextBytes(noise);

        await RefusedAsync(Form(noise), HttpStatusCode.RequestEntityTooLarge, "too-large");
        await RefusedAsync(Form([.. noise, .. noise]), HttpStatusCode.RequestEntityTooLarge, "too-large");
    }

    [Theory]
    [MemberData(nameof(PackageUploads.BadForms), MemberType = typeof(PackageUploads))]
    public async Task Upload_BadForm_IsRefusedAndLeavesNothing(string body, string code)
    {
        var content = new ByteArrayContent(Encoding.Latin1.GetBytes(body));
        content.Headers.ContentType = MediaTypeHeaderValue.Parse("multipart/form-data; boundary=b");

        await RefusedAsync(content, HttpStatusCode.BadRequest, code);
    }

    [Fact]
    public async Task Upload_WrongContentType_IsRefused()
    {
        await RefusedAsync(JsonContent.Create(new { file = "x" }), HttpStatusCode.UnsupportedMediaType, "unsupported-media-type");
        var content = new ByteArrayContent(Good);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse("multipart/form-data");
        await RefusedAsync(content, HttpStatusCode.BadRequest, "bad-form");
    }

    [Theory]
    [InlineData(" x")]
    [InlineData("a\nb")]
    [InlineData("a\0b")]
    public async Task Upload_BadName_IsRefused(string name) => await RefusedAsync(Form(Good, name: name), HttpStatusCode.BadRequest, "invalid");

    [Fact]
    public async Task Upload_BrokenOff_LeavesNothing()
    {
        using var stop = new CancellationTokenSource();
        var form = new MultipartFormDataContent { { new StreamContent(new EndlessStream(stop)), "file", "a.zip" } };

        await Assert.ThrowsAnyAsync<Exception>(() => app.Operator.PostAsync("api/v1/packages", form, stop.Token));

        await Eventually.HoldsAsync(() => !Directory.EnumerateFileSystemEntries(Path.Combine(app.Data, "tmp")).Any());
    }

    [Fact]
    public async Task Upload_ByACookieWithoutTheHeader_IsRefused()
    {
        var browser = await app.SignedInAsync("operator");
        Assert.Equal(HttpStatusCode.Created, (await browser.PostAsync("api/v1/packages", Form(Good, name: NewName()), Cancel)).StatusCode);
        browser.DefaultRequestHeaders.Remove("X-MCPCAN-CSRF");
        await browser.PostAsync("api/v1/packages", Form(Good), Cancel).ProblemAsync(HttpStatusCode.Forbidden, "cross-site");
    }

    /// <summary>Gives 256 KiB, then cancels the call.</summary>
    private sealed class EndlessStream(CancellationTokenSource stop) : MemoryStream
    {
        private int _given;

        public override bool CanSeek => false;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if ((_given += buffer.Length) > 256 << 10) await stop.CancelAsync();
            return buffer.Length;
        }
    }
}

/// <summary>What must be refused.</summary>
public static class PackageUploads
{
    public const int MaxBytes = 16 << 20;
    public static readonly byte[] Good = Archives.Zip(("server.py", "print('hello')"));

    public static TheoryData<string, byte[]> BadArchives => new()
    {
        { "text", "hello"u8.ToArray() },
        { "empty", [] },
        { "no entries", Archives.Zip() },
        { "cut", Good[..^10] },
        { "half", Good[..(Good.Length / 2)] },
        { "slip", Archives.Zip(("../../evil.py", "x")) },
        { "tar slip", Archives.TarGz(("../../evil.py", "x")) },
        { "absolute", Archives.TarGz(("/tmp/evil.py", "x")) },
        { "link", Archives.ZipWithLink("l", "/etc/passwd") },
        { "bomb", Archives.Bomb(100 << 20) },
        { "not utf-8", Archives.Zip(("xxxx.py", "")).Replace("xxxx"u8.ToArray(), [0xc4, 0xe3, 0xba, 0xc3]) },
        { "many", Archives.Zip([.. Enumerable.Range(0, 100_001).Select(i => ($"{i}", ""))]) },
    };

    public static TheoryData<string, string> BadForms => new()
    {
        { "", "bad-form" },
        { "garbage", "bad-form" },
        { "--b\r\n", "bad-form" },
        { "--b\r\n\r\n\r\n--b--\r\n", "bad-form" },
        { "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\nPK", "bad-form" },
        { "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx\r\n--b--\r\n", "invalid" },
        { "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n\u00ff\r\n--b--\r\n", "bad-form" },
        { "--b--\r\n", "invalid" },
    };
}

public sealed class SqlitePackageApp : SqliteApp
{
    public SqlitePackageApp() => Settings[nameof(McpCanOptions.MaxPackageBytes)] = PackageUploads.MaxBytes.ToString(CultureInfo.InvariantCulture);
    protected override void Configure(WebApplicationBuilder builder) => builder.Services.AddSingleton<FakeUsage>().AddSingleton<IPackageUsage>(s => s.GetRequiredService<FakeUsage>());
}

public sealed class PostgresPackageApp : PostgresApp
{
    public PostgresPackageApp() => Settings[nameof(McpCanOptions.MaxPackageBytes)] = PackageUploads.MaxBytes.ToString(CultureInfo.InvariantCulture);
    protected override void Configure(WebApplicationBuilder builder) => builder.Services.AddSingleton<FakeUsage>().AddSingleton<IPackageUsage>(s => s.GetRequiredService<FakeUsage>());
}

public sealed class SqlitePackageTests(SqlitePackageApp app) : PackageTests<SqlitePackageApp>(app);

public sealed class PostgresPackageTests(PostgresPackageApp app) : PackageTests<PostgresPackageApp>(app);
