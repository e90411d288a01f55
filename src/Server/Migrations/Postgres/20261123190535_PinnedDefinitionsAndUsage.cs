using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace McpCan.Server.Migrations.Postgres
{
    /// <inheritdoc />
    public partial class PinnedDefinitionsAndUsage : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "Pinned",
                table: "Instances",
                type: "text",
                nullable: true);

            migrationBuilder.CreateTable(
                name: "Definitions",
                columns: table => new
                {
                    InstanceId = table.Column<string>(type: "text", nullable: false),
                    Generation = table.Column<long>(type: "bigint", nullable: false),
                    Text = table.Column<string>(type: "text", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_Definitions", x => x.InstanceId);
                });

            migrationBuilder.CreateTable(
                name: "Usage",
                columns: table => new
                {
                    InstanceId = table.Column<string>(type: "text", nullable: false),
                    Minute = table.Column<long>(type: "bigint", nullable: false),
                    Samples = table.Column<int>(type: "integer", nullable: false),
                    Seconds = table.Column<double>(type: "double precision", nullable: false),
                    CpuSeconds = table.Column<double>(type: "double precision", nullable: false),
                    MemorySum = table.Column<long>(type: "bigint", nullable: false),
                    MemoryMost = table.Column<long>(type: "bigint", nullable: false),
                    ProcessesMost = table.Column<int>(type: "integer", nullable: false),
                    ReceivedBytes = table.Column<long>(type: "bigint", nullable: true),
                    SentBytes = table.Column<long>(type: "bigint", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_Usage", x => new { x.InstanceId, x.Minute });
                });

            migrationBuilder.CreateIndex(
                name: "IX_Usage_Minute",
                table: "Usage",
                column: "Minute");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "Definitions");

            migrationBuilder.DropTable(
                name: "Usage");

            migrationBuilder.DropColumn(
                name: "Pinned",
                table: "Instances");
        }
    }
}
